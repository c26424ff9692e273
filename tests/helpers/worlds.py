"""Datasets that are made for pictures and tests: spoken requests, and pictures with captions. Nothing is downloaded."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import streamlit
from PIL import Image, ImageDraw, ImageFont

from tests.helpers import towers
from winnow.core import ColumnMap, Workspace

TESTS = Path(__file__).resolve().parents[1]
SCAN = """
import sys
from winnow.core import Workspace
source, out = sys.argv[1:]
encoder = "sentence-transformers:all-MiniLM-L6-v2"
Workspace.scan(source, out, encoder=encoder, network=False, name="Requests").close()
"""

PLEASE = ("", "please ", "can you ", "i need to ", "could you help me ", "hey, ")
REQUESTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "card stolen": (
        (
            "block my {} card",
            "report a {} card as stolen",
            "freeze the {} card that i lost",
            "somebody took my {} card",
            "stop all payments of my {} card",
        ),
        ("credit", "debit", "bank", "travel", "company", "old", "second", "joint"),
    ),
    "play music": (
        (
            "play some {}",
            "put on a {} song",
            "turn up the {} album",
            "skip to the next {} track",
            "i would like to hear {}",
        ),
        ("jazz", "soul", "folk", "opera", "techno", "piano", "guitar", "hip hop"),
    ),
    "book flight": (
        (
            "find a flight to {}",
            "book a window seat to {}",
            "how much is a ticket to {}",
            "when does the plane to {} leave",
            "change my flight to {}",
        ),
        ("oslo", "lisbon", "tokyo", "nairobi", "boston", "rome", "lima", "sydney"),
    ),
    "set alarm": (
        (
            "wake me up at {}",
            "set an alarm for {}",
            "move my alarm to {}",
            "ring me at {} tomorrow",
            "cancel the alarm at {}",
        ),
        ("six", "half past six", "seven", "eight thirty", "noon", "four", "five fifteen", "nine"),
    ),
    "weather": (
        (
            "will it rain in {} today",
            "what is the forecast for {}",
            "how cold does it get in {} tonight",
            "is it windy in {}",
            "do i need an umbrella in {}",
        ),
        ("the mountains", "the city", "oslo", "the valley", "rome", "the harbour", "lima", "the north"),
    ),
    "restaurant": (
        (
            "reserve a table for two at a {} place",
            "which {} restaurant has good reviews",
            "do i need a reservation for {} food",
            "find me {} food nearby",
            "is the {} restaurant open late",
        ),
        ("thai", "italian", "greek", "vegan", "indian", "ramen", "seafood", "mexican"),
    ),
    "lost luggage": (
        (
            "my {} did not arrive with my flight",
            "the airline lost my {}",
            "where can i ask about my missing {}",
            "my {} is not on the belt",
            "track the {} that went missing",
        ),
        ("suitcase", "blue bag", "backpack", "luggage", "stroller", "guitar case", "trunk", "ski bag"),
    ),
    "transfer money": (
        (
            "send {} to my sister",
            "transfer {} to my savings",
            "move {} between my accounts",
            "pay {} to my landlord",
            "wire {} to my friend",
        ),
        (
            "twenty euros",
            "a hundred dollars",
            "fifty pounds",
            "the rent",
            "half of it",
            "my share",
            "two hundred",
            "the deposit",
        ),
    ),
}
ODD = (
    "who painted the night watch",
    "is there water on mars",
    "how many moons has jupiter",
    "what is the square root of ninety",
    "ich hätte gerne einen kaffee",
    "recite a poem about owls",
    "does a whale have hair",
    "when did the empire fall",
    "name a prime above a thousand",
    "how do volcanoes erupt",
)
ICONS = {
    "apple": "nutrition",
    "boat": "sailing",
    "castle": "castle",
    "desert": "sunny",
    "eagle": "flutter_dash",
    "forest": "forest",
    "guitar": "music_note",
    "harbour": "anchor",
    "island": "beach_access",
    "jacket": "checkroom",
    "kettle": "coffee_maker",
    "lantern": "lightbulb",
    "mountain": "landscape",
    "needle": "push_pin",
    "orchid": "local_florist",
    "piano": "piano",
    "quilt": "grid_view",
    "river": "water",
    "statue": "accessibility_new",
    "tiger": "pets",
}


def requests(folder: Path) -> Path:
    """Scan 480 spoken requests in eight classes, one label in 25 another's, ten texts of other matters, with a sentence
    encoder and the example plug-in. Returns the workspace."""
    random = np.random.default_rng(4)
    names, seen = list(REQUESTS), set()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "requests.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", "text", "label"])
        at = 0
        while at < 480:
            name = names[at % len(names)]
            frames, slots = REQUESTS[name]
            text = str(random.choice(PLEASE)) + str(random.choice(frames)).format(random.choice(slots))
            if text in seen:
                continue
            seen.add(text)
            label = names[(at + 1 + int(random.integers(len(names) - 1))) % len(names)] if at % 25 == 7 else name
            table.writerow([f"r{at:03d}", text, label])
            at += 1
        table.writerows([f"odd{i}", text, names[i % len(names)]] for i, text in enumerate(ODD))
    with tempfile.TemporaryDirectory() as site:
        path = os.pathsep.join([*_install_plugin(Path(site)), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-c", SCAN, str(folder / "requests.csv"), str(folder / "requests")]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, check=True)
    return folder / "requests"


def _install_plugin(site: Path) -> tuple[str, str]:
    """Write what pip leaves behind of the example plug-in; returns the folders from which Python finds it."""
    example = TESTS / "plugin_example"
    points = tomllib.loads((example / "pyproject.toml").read_text())["project"]["entry-points"]["winnow.signals"]
    info = site / "winnow_surprise-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: winnow_surprise\nVersion: 1.0.0\n")
    lines = "\n".join(f"{k} = {v}" for k, v in points.items())
    (info / "entry_points.txt").write_text(f"[winnow.signals]\n{lines}\n")
    return str(site), str(example)


def pairs(folder: Path) -> Path:
    """Scan 300 drawn pictures with captions, one in ten another picture's, with the two-tower checkpoint of the tests.
    Returns the workspace."""
    towers.install()
    table, _ = towers.make_pairs(folder / "data", n=300, swaps=30)
    font = ImageFont.truetype(next((Path(streamlit.__file__).parent / "static").rglob("MaterialSymbols*")), 112)
    random = np.random.default_rng(0)
    for i, path in enumerate(sorted((folder / "data").glob("*.png"))):
        word = towers.WORDS[i % len(towers.WORDS)]
        colour = np.asarray(Image.open(path)).reshape(-1, 3).mean(axis=0)
        ground = np.full((192, 192, 3), 1.0) * colour + np.linspace(14, -14, 192)[:, None, None]
        ground[:12] += np.kron(
            random.normal(scale=9, size=(1, 16, 3)), np.ones((12, 12, 1))
        )  # what tells two of a kind apart
        picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)).convert("RGBA")
        glyph = Image.new("RGBA", picture.size)
        ink = (20, 20, 24, 150) if colour.mean() > 110 else (255, 255, 255, 150)
        x, y = (int(v) for v in random.integers(18, 62, 2))
        ImageDraw.Draw(glyph).text((x, y), ICONS[word], font=font, fill=ink, features=["liga"])
        Image.alpha_composite(picture, glyph).convert("RGB").save(path)
    columns = ColumnMap(image="image", text="caption", source="origin")
    encoder = towers.save_checkpoint(folder / "towers.safetensors")
    Workspace.scan(table, folder / "pairs", encoder=encoder, columns=columns, network=False, name="Captions").close()
    return folder / "pairs"


if __name__ == "__main__":
    home = Path(os.environ.get("WINNOW_SHOTS_HOME") or tempfile.mkdtemp())
    print(requests(home), pairs(home))
