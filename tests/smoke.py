"""The shortest way through an installed Winnow: scan, decide, undo, export. ``python tests/smoke.py [FOLDER]``.

It runs the command in processes of their own, reads nothing of the repository, and needs no network.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

TOPICS = {
    "weather": "rain wind cloud storm sun forecast snow hail",
    "music": "guitar drum song chord melody band concert choir",
    "food": "bread cheese soup apple oven recipe salt butter",
}


def winnow(*arguments: object) -> str:
    """Run the command and return what it printed; stop with its message where it refuses."""
    command = [sys.executable, "-m", "winnow.core.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(folder: Path) -> None:
    """Write a table of 90 texts, five of them with a wrong label, and take it through to a curated file."""
    labels = list(TOPICS)
    with open(folder / "texts.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "text", "label"))
        for i in range(90):
            words = TOPICS[labels[i % 3]].split()
            text = " ".join(words[(i * k) % len(words)] for k in (1, 3, 5, 7)) + f" number {i}"
            rows.writerow((f"t{i:02d}", text, labels[(i + (i < 5)) % 3]))
    workspace = folder / "texts.winnow"
    winnow("scan", folder / "texts.csv", "--out", workspace, "--encoder", "tfidf", "--no-map", "--quiet")
    winnow("decide", workspace, "--id", "t00", "--action", "relabel", "--label", "weather", "--actor", "ada")
    winnow("decide", workspace, "--id", "t01", "--action", "exclude", "--actor", "ada")
    winnow("decide", workspace, "--id", "t02", "--action", "exclude", "--actor", "ada")
    undone = json.loads(winnow("undo", workspace, "--actor", "ada", "--json"))["undone"]
    winnow("export", workspace, folder / "curated.csv", "--json")
    with open(folder / "curated.csv", newline="", encoding="utf-8") as file:
        curated = {row["id"]: row["label_final"] for row in csv.DictReader(file)}
    assert undone == ["t02"], undone
    assert len(curated) == 89, len(curated)
    assert "t01" not in curated
    assert curated["t00"] == "weather", curated["t00"]
    print(winnow("version").strip(), "scanned, decided, undid and exported")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
