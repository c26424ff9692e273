"""The inputs, the table and the protocol of the checks of the dataset as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...registry import Registry
from ...types import Bool, Float32, Int32, MediaFeatures, Neighbors, Strings


class Need(StrEnum):
    """What a table can require. A table whose needs are absent is left out, with the reason shown."""

    CLASSES = "at least two classes in use"
    LABELS = "labels"
    CONFUSION = "out-of-sample beliefs or nearest neighbours"
    NEIGHBORS = "nearest neighbours"
    CLUSTERS = "clusters"
    MATCH = "captions that were compared with images"
    PROPERTIES = "image properties, texts, splits or sources"


@dataclass(frozen=True)
class CheckInputs:
    """Arrays in one row order. Absent inputs are None.

    Attributes
    ----------
    ok
        (n,) bool: the sample can be used.
    labels
        (n,) int32 into ``class_names``, −1 = none.
    probs
        (n, C) float32, out-of-sample beliefs, rows sum to 1.
    suggested
        (n,) int32, the likeliest other label.
    neighbors
        The nearest samples in the space of labels.
    texts, split, source
        (n,) str objects ("" = none).
    coarse, fine
        (n,) int32 clusters, −1 = none.
    flags
        Verdict kind → (n,) bool.
    match
        (n,) float32, probability that a caption does not fit its image, NaN = unknown.
    cluster_names
        Names of the fine clusters.
    """

    ok: Bool
    labels: Int32
    class_names: tuple[str, ...]
    probs: Float32 | None = None
    suggested: Int32 | None = None
    neighbors: Neighbors | None = None
    media: MediaFeatures | None = None
    texts: Strings | None = None
    split: Strings | None = None
    source: Strings | None = None
    coarse: Int32 | None = None
    fine: Int32 | None = None
    flags: Mapping[str, Bool] = field(default_factory=dict)
    match: Float32 | None = None
    cluster_names: Mapping[int, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.labels)

    @property
    def labelled(self) -> Bool:
        """(n,) bool: readable and labelled."""
        return self.ok & (self.labels >= 0)

    def flag(self, kind: str) -> Bool:
        """(n,) bool: the verdict's flag of this kind; all False where there is none."""
        return np.asarray(self.flags.get(kind, np.zeros(self.n, bool)), bool)

    def has(self, need: Need) -> bool:
        """Whether an input is there."""
        match need:
            case Need.LABELS:
                return bool(self.labelled.any())
            case Need.CLASSES:
                return len(np.unique(self.labels[self.labelled])) >= 2
            case Need.CONFUSION:
                return self.probs is not None or self.neighbors is not None
            case Need.NEIGHBORS:
                return self.neighbors is not None
            case Need.CLUSTERS:
                return self.fine is not None and bool((self.fine >= 0).any())
            case Need.MATCH:
                return self.match is not None and bool(np.isfinite(self.match).any())
            case Need.PROPERTIES:
                media = self.media is not None and bool(self.media.properties)
                return media or self.texts is not None or self.split is not None or self.source is not None


@dataclass(frozen=True)
class CheckTable:
    """One table about the dataset.

    Attributes
    ----------
    name
        The check's name.
    columns
        Key → plain title, in order.
    rows
        One mapping per row with these keys; values are str, bool, int, finite float or None.
    examples
        For each row, the row numbers of samples that show it (may be empty), the clearest first.
    summary
        One sentence about the whole.
    marked
        (m,) int32, ascending: rows of the dataset that the table is about.
    """

    name: str
    columns: Mapping[str, str]
    rows: list[dict[str, Any]]
    examples: list[list[int]]
    summary: str = ""
    marked: Int32 = field(default_factory=lambda: np.zeros(0, np.int32))


@runtime_checkable
class DatasetCheck(Protocol):
    """One fact about the dataset as a whole. Stateless, pure, deterministic.

    Attributes
    ----------
    name
        Snake case.
    version
        Raised when the numbers change.
    title, explain
        Plain words for people.
    requires
        Inputs without which the check is skipped.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]
    explain: ClassVar[str]
    requires: ClassVar[frozenset[Need]]

    def __call__(self, inputs: CheckInputs) -> CheckTable:
        """The table; called only where the inputs have everything in ``requires``."""
        ...


DATASET_CHECKS: Registry[DatasetCheck] = Registry("dataset check")
"""Every check, registered at the bottom of its own file."""


def wilson(hits: NDArray[Any], total: NDArray[Any], tests: int = 1) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lower and upper 95% bound of shares, for ``tests`` shares at once (Bonferroni); [0, 1] where ``total`` is 0.

    Notes
    -----
    Formula: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n), z = Φ⁻¹(1 − .025/tests).

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    from scipy.stats import norm

    z2 = float(norm.ppf(1 - 0.025 / max(tests, 1))) ** 2
    n = np.maximum(np.asarray(total, float), 1e-9)
    p = np.clip(np.asarray(hits, float) / n, 0, 1)
    middle, half = p + z2 / (2 * n), np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n)))
    scale = 1 + z2 / n
    return np.maximum((middle - half) / scale, 0.0), np.minimum((middle + half) / scale, 1.0)


def rare(counts: NDArray[Any], within: int) -> Bool:
    """(g,) bool: groups whose share is surely (Wilson, 95%, over all g) below half of an even share, 1/2g."""
    groups = len(counts)
    if groups < 2:
        return np.zeros(groups, bool)
    _, high = wilson(counts, np.full(groups, within), groups)
    return np.asarray(high < 0.5 / groups, bool)


def number(value: Any, digits: int = 4) -> float:
    """A rounded Python float."""
    return round(float(value), digits)
