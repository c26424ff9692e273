"""Spurious properties: brightness, length, source and the like that predict the label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...types import Bool, Int32, Strings
from .base import DATASET_CHECKS, CheckInputs, CheckTable, Need, number

_IMAGE = {
    "brightness": "Brightness",
    "blurriness": "Sharpness",
    "entropy": "Information in the image",
    "size": "Image size",
    "aspect_ratio": "Aspect ratio",
    "grayscale": "Grayscale",
}
_CHUNK, _READ = 2000, 2000
_FOLDS, _BINS, _LEAST = 5, 10, 5
_WEAK, _STRONG, _APART = 0.02, 0.20, 0.85
_EXAMPLES = 5
_MOST_CATEGORIES = 50


@dataclass(frozen=True)
class _Property:
    """A simple property: ``values`` (n,) float64, NaN = unknown; category codes where there are ``categories``."""

    title: str
    values: NDArray[np.float64]
    categories: tuple[str, ...] = ()


class Spurious:
    """How well one simple property alone predicts the label.

    Notes
    -----
    Formula: in each of five folds, stratified by label, a classifier on the property alone: its bin (ten training
    quantiles, or its category) goes to the class with the largest share of its own samples there. Score = balanced
    accuracy on the held-out fifths. If the property knew nothing of the label, class c would be hit with the
    probability q_c that c is predicted at all, so the score would have the mean Σq_c/C = 1/C and the variance
    Σ q_c(1 − q_c)/n_c /C²; bound = 1/C + z·√variance, z at 1% over all properties (Bonferroni). lift = (score −
    1/C)/(1 − 1/C). Strong: above the bound and lift ≥ .20, or one class is set apart from the rest with AUROC ≥ .85
    surely (lower bound by Hanley and McNeil 1982, Radiology 143, Bonferroni over classes and properties; a category is
    ranked by the share of the class among its other samples). Weak: above
    the bound with lift ≥ .02. Else none. Rows flagged broken or duplicate, and classes with less than five samples, are
    left out.

    References
    ----------
    One-rule classifiers, Holte (1993), "Very simple classification rules perform well on most commonly used
    datasets", Machine Learning 11; shortcuts: Geirhos et al. (2020), Nature Machine Intelligence 2.
    """

    name: ClassVar[str] = "spurious"
    version: ClassVar[int] = 2
    title: ClassVar[str] = "Spurious correlations"
    explain: ClassVar[str] = "Simple properties, such as brightness or length, that predict the label by themselves."
    requires: ClassVar[frozenset[Need]] = frozenset({Need.CLASSES, Need.PROPERTIES})

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table."""
        use = inputs.labelled & ~inputs.flag("broken") & ~inputs.flag("duplicate")
        properties = list(_properties(inputs))
        tested = [_tested(inputs, use, p, len(properties)) for p in properties]
        entries = sorted((e for e in tested if e is not None), key=lambda e: (-e[0]["lift"], e[0]["property"]))
        columns = {
            "property": "Property",
            "strength": "Predicts the label",
            "score": "Balanced accuracy",
            "chance": "Chance",
            "bound": "Chance reaches at most",
            "lift": "Lift over chance",
            "class": "Class it shows best",
            "auroc": "How well (AUROC)",
            "side": "How",
        }
        telling = [row["property"] for row, _ in entries if row["strength"] != "no"]
        summary = f"{', '.join(telling)} say something about the label." if telling else "No property gives it away."
        return CheckTable(self.name, columns, [row for row, _ in entries], [rows for _, rows in entries], summary)


def _properties(inputs: CheckInputs) -> Iterator[_Property]:
    if inputs.media is not None:
        for key, title in _IMAGE.items():
            if key in inputs.media.properties:
                yield _Property(title, np.asarray(inputs.media.properties[key], float))
    if inputs.texts is not None and any(inputs.texts):
        texts = [str(t or "") for t in inputs.texts]
        length = np.array([len(t) for t in texts], float)
        length[length == 0] = np.nan
        yield _Property("Length of the text", length)
        for title, share in zip(_TEXT, _letter_shares(texts), strict=True):
            yield _Property(title, share)
    for title, column in (("Split", inputs.split), ("Source", inputs.source)):
        if column is not None:
            yield from _categories(title, column)


def _letter_shares(texts: list[str]) -> NDArray[np.float64]:
    """(3, n) share of each of ``_TEXT`` among a text's first 2,000 characters; NaN where it is empty."""
    share = np.full((len(_TEXT), len(texts)), np.nan)
    for start in range(0, len(texts), _CHUNK):
        part = [t[:_READ] for t in texts[start : start + _CHUNK]]
        size = np.array([len(t) for t in part])
        codes = np.frombuffer("".join(part).encode("utf-32-le", "surrogatepass"), np.uint32)
        seen = np.flatnonzero(np.bincount(codes)) if len(codes) else np.zeros(0, np.int64)
        of = np.repeat(np.arange(len(part)), size)
        for row, test in enumerate(_TEXT.values()):
            hit = seen[[test(chr(code)) for code in seen]] if len(seen) else seen
            hits = np.bincount(of[np.isin(codes, hit)], minlength=len(part))
            share[row, start : start + len(part)] = np.where(size > 0, hits / np.maximum(size, 1), np.nan)
    return share


def _is_mark(letter: str) -> bool:
    return not letter.isalnum() and not letter.isspace()


_TEXT = {"Share of capitals": str.isupper, "Share of digits": str.isdigit, "Share of punctuation": _is_mark}


def _categories(title: str, column: Strings) -> Iterator[_Property]:
    """A column of names as a property, unless it is constant or nearly an id."""
    names, code = np.unique(np.array([str(v or "") for v in column], object).astype(str), return_inverse=True)
    values = code.astype(float)
    values[names[code] == ""] = np.nan
    if 2 <= np.count_nonzero(names != "") <= _MOST_CATEGORIES:
        yield _Property(title, values, tuple(str(name) for name in names))


def _tested(inputs: CheckInputs, use: Bool, prop: _Property, tests: int) -> tuple[dict[str, Any], list[int]] | None:
    """One row and its examples, or None where there are too few samples."""
    rows = np.flatnonzero(use & np.isfinite(prop.values))
    size = np.bincount(inputs.labels[rows], minlength=len(inputs.class_names))
    rows = rows[size[inputs.labels[rows]] >= _LEAST]
    if len(rows) == 0:
        return None
    codes, y = np.unique(inputs.labels[rows], return_inverse=True)
    x = prop.values[rows]
    if len(codes) < 2 or (x == x[0]).all():
        return None
    score, bound = _score(x, y.astype(np.int32), bool(prop.categories), tests)
    chance = 1 / len(codes)
    lift = (score - chance) / (1 - chance)
    best, auroc, low = _apart(x, y, bool(prop.categories), tests)
    above = score > bound
    strong = (above and lift >= _STRONG) or low >= _APART
    side, order = _side(x, y, best, auroc, prop)
    row = {
        "property": prop.title,
        "strength": "strongly" if strong else "a little" if above and lift >= _WEAK else "no",
        "score": number(score),
        "chance": number(chance),
        "bound": number(bound),
        "lift": number(lift),
        "class": inputs.class_names[int(codes[best])],
        "auroc": number(max(auroc, 0.5 if prop.categories else 1 - auroc)),
        "side": side,
    }
    return row, [int(r) for r in rows[order][:_EXAMPLES]]


def _score(x: NDArray[np.float64], y: Int32, named: bool, tests: int) -> tuple[float, float]:
    """Held-out balanced accuracy of the one-property classifier, and what chance reaches at most."""
    from scipy.stats import norm

    classes = int(y.max()) + 1
    order = np.argsort(y, kind="stable")
    fold = np.empty(len(y), np.int64)
    start = np.concatenate([[0], np.cumsum(np.bincount(y, minlength=classes))[:-1]])
    fold[order] = (np.arange(len(y)) - start[y[order]]) % _FOLDS
    answer = np.empty(len(y), np.int64)
    for held in range(_FOLDS):
        train, test = fold != held, fold == held
        if not test.any():
            continue
        cuts = (
            np.unique(x)[1:] if named else np.unique(np.quantile(x[train], np.arange(1, _BINS) / _BINS, method="lower"))
        )
        side: Literal["left", "right"] = "right" if named else "left"
        train_bin, test_bin = np.searchsorted(cuts, x[train], side), np.searchsorted(cuts, x[test], side)
        counts = np.zeros((len(cuts) + 1, classes))
        np.add.at(counts, (train_bin, y[train]), 1)
        share = counts / np.maximum(np.bincount(y[train], minlength=classes), 1)
        answer[test] = share.argmax(1)[test_bin]
    n = np.bincount(y, minlength=classes)
    score = float((np.bincount(y[answer == y], minlength=classes) / n).mean())
    q = np.bincount(answer, minlength=classes) / len(y)
    spread = float(np.sqrt((q * (1 - q) / n).sum())) / classes
    return score, 1 / classes + float(norm.ppf(1 - 0.01 / max(tests, 1))) * spread


def _apart(x: NDArray[np.float64], y: NDArray[Any], named: bool, tests: int) -> tuple[int, float, float]:
    """The class that is set apart best: its code, the property's AUROC, and the lower bound of max(AUROC, 1 − AUROC).

    For a category, the property is the share of the class among its *other* samples, and the bound that of AUROC: a
    share that counted the sample itself would find small classes in any column of many names.
    """
    from scipy.stats import norm, rankdata

    classes = int(y.max()) + 1
    n1 = np.bincount(y, minlength=classes).astype(float)
    n0 = len(y) - n1
    if named:
        auroc = _category_auroc(x.astype(int), y, classes)
        a = np.maximum(auroc, 0.5)
    else:
        rank_sum = np.bincount(y, weights=rankdata(x), minlength=classes)
        auroc = (rank_sum - n1 * (n1 + 1) / 2) / (n1 * n0)
        a = np.maximum(auroc, 1 - auroc)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    variance = (a * (1 - a) + (n1 - 1) * (q1 - a * a) + (n0 - 1) * (q2 - a * a)) / (n1 * n0)
    floor = 1 / (4 * np.minimum(n1, n0))  # the formula gives 0 at perfect separation for any number of samples
    low = a - float(norm.ppf(1 - 0.01 / (max(tests, 1) * classes))) * np.sqrt(np.maximum(variance, floor**2))
    best = int(np.argmax(low))
    return best, float(auroc[best]), float(low[best])


def _category_auroc(code: NDArray[Any], y: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """(C,) AUROC of the leave-one-out share of each class in a sample's category; ties count half."""
    table = np.zeros((int(code.max()) + 1, classes))
    np.add.at(table, (code, y), 1)
    total = table.sum(1)
    auroc = np.empty(classes)
    for c in range(classes):
        own, rest = table[:, c], total - table[:, c]
        share = np.concatenate([np.maximum(own - 1, 0), own]) / np.tile(np.maximum(total - 1, 1), 2)
        _, level = np.unique(share, return_inverse=True)
        hit = np.bincount(level[: len(own)], weights=own, minlength=level.max() + 1)
        miss = np.bincount(level[len(own) :], weights=rest, minlength=level.max() + 1)
        below = np.cumsum(miss) - miss
        auroc[c] = (hit * (below + 0.5 * miss)).sum() / (own.sum() * rest.sum())
    return auroc


def _side(
    x: NDArray[np.float64], y: NDArray[Any], best: int, auroc: float, prop: _Property
) -> tuple[str, NDArray[np.int64]]:
    """How the class differs, and its rows that show it, the clearest first."""
    members = np.flatnonzero(y == best)
    if prop.categories:
        codes = x.astype(int)
        share = np.bincount(codes, weights=y == best) / np.maximum(np.bincount(codes), 1)
        top = int(np.argmax(share))
        return f"{share[top]:.0%} of {prop.categories[top]!r}", members[codes[members] == top]
    higher = auroc >= 0.5
    middle, rest = float(np.median(x[members])), float(np.median(x[y != best]))
    order = members[np.argsort(-x[members] if higher else x[members], kind="stable")]
    if np.isin(x, (0, 1)).all():
        return f"{x[members].mean():.0%}, elsewhere {x[y != best].mean():.0%}", order
    return f"{'higher' if higher else 'lower'}: median {middle:.3g}, elsewhere {rest:.3g}", order


DATASET_CHECKS.register(Spurious.name)(Spurious())
