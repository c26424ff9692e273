"""Arrays for cleanlab: labels, predicted probabilities and Winnow's label issues."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ...data.formulas import FORMULAS_KEY, MARKED, mark_formulas
from .base import FOLDERS, Item, Supplies


class Cleanlab:
    """Arrays for ``cleanlab.Datalab({"y": labels}, label_name="y").find_issues(pred_probs=pred_probs)``.

    Files: ``labels.npy`` (m,) int64, ``pred_probs.npy`` (m, C) float32 in the same order (where a probe ran),
    ``classes.json`` (C names) and ``label_issues.csv`` with sample_id, is_label_issue, label_quality, given_label and
    predicted_label. Samples without a label are left out. Classes added by people have probability 0 for every sample.

    References
    ----------
    cleanlab documentation, Datalab.
    """

    name: ClassVar[str] = "cleanlab"
    title: ClassVar[str] = "cleanlab"
    explain: ClassVar[str] = "Labels, predicted probabilities and a table of issues, ready for Datalab."
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    def write(self, folder: Path, items: Iterator[Item], supplies: Supplies) -> Mapping[str, Any]:
        """Write the four files."""
        used: dict[str, int] = {}
        rows: list[int] = []
        codes: list[int] = []
        table: list[list[Any]] = []
        unlabelled = 0
        names = {name: i for i, name in enumerate(supplies.classes)}
        for item in items:
            if item.label is None:
                unlabelled += 1
                continue
            used.setdefault(item.label, names[item.label])
            rows.append(item.row)
            codes.append(names[item.label])
            table.append([item.sample_id, item.verdict == "noisy_label" and not item.decision, item.weight, item.given])
        classes = sorted(used, key=lambda name: used[name])
        place = {used[name]: i for i, name in enumerate(classes)}
        labels = np.array([place[c] for c in codes], np.int64)
        np.save(folder / "labels.npy", labels, allow_pickle=False)
        (folder / "classes.json").write_text(json.dumps(classes, ensure_ascii=False), encoding="utf-8")
        predicted = [""] * len(rows)
        if supplies.probs is not None:
            probs = np.zeros((len(rows), len(classes)), np.float32)
            for j, name in enumerate(classes):
                if name in supplies.own:
                    probs[:, j] = supplies.probs[rows, supplies.own.index(name)]
            total = probs.sum(1, keepdims=True)
            probs = np.where(total > 0, probs / np.maximum(total, 1e-12), 1.0 / max(len(classes), 1)).astype(np.float32)
            np.save(folder / "pred_probs.npy", probs, allow_pickle=False)
            predicted = [classes[j] for j in probs.argmax(1)] if len(classes) else predicted
        with (folder / "label_issues.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["sample_id", "is_label_issue", "label_quality", "given_label", "predicted_label"])
            for (sample_id, issue, weight, given), guess in zip(table, predicted, strict=True):
                texts, _ = mark_formulas(pa.array([sample_id, given or "", guess]))
                writer.writerow([str(texts[0]), issue, round(weight, 6), str(texts[1]), str(texts[2])])
        return {FORMULAS_KEY: MARKED, "files": {}, "left_out": {"no label": unlabelled} if unlabelled else {}}


FOLDERS.register(Cleanlab.name)(Cleanlab())
