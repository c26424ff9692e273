"""Interface of a subset method: arrays in, rows (and weights) out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...registry import Registry
from ...types import Bool, Float32, Int32, Int64, Neighbors


class Need(StrEnum):
    """Inputs that a method can require; where one is missing, the method cannot be used and the reason is given."""

    LABELS = "labels"
    VECTORS = "embeddings"
    NEIGHBORS = "a neighbour graph"
    HARDNESS = "a probe run (hardness)"
    CLUSTERS = "clusters"
    TARGET = "a target set"


@dataclass(frozen=True)
class SelectionInputs:
    """Arrays in one row order; n samples. Absent inputs are None.

    Attributes
    ----------
    pool
        (n,) bool, may be selected.
    labels
        (n,) int32 into ``n_classes`` classes, −1 = none.
    n_classes
        Number of classes.
    vectors
        (n, d) float32 unit rows (zeros where there is none).
    neighbors
        Graph on cosine distance.
    quality
        (n,) float32 in [0, 1], 1 = label and content are trusted.
    hardness
        (n,) float32 in [0, 1], 1 = hardest (EL2N).
    flagged
        (n,) bool, the scan suspects that it is noisy, out of distribution or broken.
    clusters, groups
        (n,) int32, −1 = none.
    target
        (n,) bool, samples that the subset should resemble.
    quality_weight, diversity
        In [0, 1], the sliders. A method that uses them says so in ``uses``.
    seed
        Of everything random.
    options
        The method's own settings (see its docstring).
    """

    pool: Bool
    labels: Int32
    n_classes: int
    vectors: Float32 | None = None
    neighbors: Neighbors | None = None
    quality: Float32 | None = None
    hardness: Float32 | None = None
    flagged: Bool | None = None
    clusters: Int32 | None = None
    groups: Int32 | None = None
    target: Bool | None = None
    quality_weight: float = 0.5
    diversity: float = 0.5
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.pool)

    def has(self, need: Need) -> bool:
        """Whether an input is present."""
        match need:
            case Need.LABELS:
                return bool((self.pool & (self.labels >= 0)).any())
            case Need.VECTORS:
                return self.vectors is not None
            case Need.NEIGHBORS:
                return self.neighbors is not None
            case Need.HARDNESS:
                return self.hardness is not None
            case Need.CLUSTERS:
                return self.clusters is not None
            case Need.TARGET:
                return self.target is not None and bool(self.target.any())

    def known_quality(self) -> NDArray[Any]:
        """(n,) quality, 0.5 where it is NaN, 1 where there is none."""
        return np.ones(self.n) if self.quality is None else np.nan_to_num(self.quality, nan=0.5)

    def trust(self) -> NDArray[np.float64]:
        """(n,) quality in [0.001, 1], raised to 4·quality_weight: all ones where the slider is at 0."""
        quality = self.known_quality().astype(np.float64)
        return np.clip(quality, 1e-3, 1.0) ** (4.0 * self.quality_weight)

    def rng(self) -> np.random.Generator:
        """A fresh generator from the seed."""
        return np.random.default_rng(self.seed)

    def within(self, rows: Int64) -> SelectionInputs:
        """Restrict to ``rows``; the graph is renumbered (neighbours outside are −1, at the end of each row)."""

        def of(array: Any) -> Any:
            return None if array is None else array[rows]

        graph = None
        if self.neighbors is not None:
            place = np.full(self.n + 1, -1, np.int32)
            place[rows] = np.arange(len(rows), dtype=np.int32)
            index = place[self.neighbors.indices[rows]]
            away = np.where(index < 0, np.inf, self.neighbors.distances[rows]).astype(np.float32)
            order = np.argsort(index < 0, axis=1, kind="stable")
            graph = replace(
                self.neighbors,
                indices=np.take_along_axis(index, order, axis=1),
                distances=np.take_along_axis(away, order, axis=1),
            )
        return replace(
            self,
            pool=self.pool[rows],
            labels=self.labels[rows],
            vectors=of(self.vectors),
            neighbors=graph,
            quality=of(self.quality),
            hardness=of(self.hardness),
            flagged=of(self.flagged),
            clusters=of(self.clusters),
            groups=of(self.groups),
            target=of(self.target),
        )


@dataclass(frozen=True)
class SelectorResult:
    """Rows that a method selected.

    Attributes
    ----------
    rows
        (m ≤ budget,) int64, distinct, in the pool and not among those already taken, in order of selection.
    weights
        (m,) float32 ≥ 0, None = all the same.
    info
        Plain values that are kept with the subset.
    """

    rows: Int64
    weights: Float32 | None = None
    info: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Selector(Protocol):
    """A subset method: stateless, pure, deterministic for a seed.

    Attributes
    ----------
    name
        Snake case.
    version
        Raised when the result changes.
    title, explain
        Shown to people.
    requires
        Inputs without which it cannot work.
    uses
        Which sliders it uses ("quality", "diversity").
    sizes_itself
        Whether it stops by its own rule where the budget is the whole pool.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]
    explain: ClassVar[str]
    requires: ClassVar[frozenset[Need]]
    uses: ClassVar[frozenset[str]]
    sizes_itself: ClassVar[bool]

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Select up to ``budget`` rows of the pool beside those of ``taken`` (m,), which are in the subset already."""
        ...


SELECTORS: Registry[Selector] = Registry("subset method")


def missing_inputs(selector: Selector, inputs: SelectionInputs) -> list[str]:
    """Names of the inputs that a method requires and that are missing, sorted."""
    return sorted(str(need) for need in selector.requires if not inputs.has(need))


def free_rows(inputs: SelectionInputs, taken: Int64) -> Int64:
    """(m,) int64 rows of the pool that are not taken, ascending."""
    open_ = inputs.pool.copy()
    open_[taken] = False
    return np.flatnonzero(open_)


def shuffled_by(weight: NDArray[np.float64], rng: np.random.Generator) -> Int64:
    """(m,) int64 order drawn without replacement with probability ∝ weight.

    Notes
    -----
    Sorts by −ln(U)/w with U uniform.

    References
    ----------
    Efraimidis and Spirakis (2006), "Weighted random sampling with a reservoir", Information Processing Letters.
    """
    return np.argsort(rng.exponential(size=len(weight)) / np.maximum(weight, 1e-12), kind="stable")


def shares(total: int, weight: NDArray[np.float64], room: Int64) -> Int64:
    """Divide ``total`` in proportion to weights, by largest remainders.

    Parameters
    ----------
    total
        What to divide.
    weight
        (g,) ≥ 0; a group of weight 0 gets nothing.
    room
        (g,) int64, the most that each group takes; the others get what it cannot take.

    Returns
    -------
    Int64
        (g,), sums to min(total, Σ room of groups with weight).
    """
    room = np.where(weight > 0, room, 0).astype(np.int64)
    total = int(min(total, room.sum()))
    out = np.zeros(len(room), np.int64)
    open_ = room > 0
    while open_.any():
        left = total - int(out.sum())
        if left <= 0:
            break
        part = np.where(open_, weight, 0.0)
        part = left * part / part.sum()
        full = open_ & (out + part >= room)
        if full.any():
            out[full] = room[full]
            open_ &= ~full
            continue
        whole = np.floor(part).astype(np.int64)
        rest = left - int(whole.sum())
        most = np.argsort(-(part - whole), kind="stable")[:rest]
        whole[most] += 1
        out += np.minimum(whole, room - out)
        break
    return out
