"""What a subset method takes and gives: arrays in, rows (and weights) out."""

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
    """What a method can require. A method whose needs are absent is answered with the reason."""

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
        (n,) bool: may be chosen.
    labels
        (n,) int32 into ``n_classes`` classes, −1 = none.
    vectors
        (n, d) float32 unit rows (zeros where there is none).
    neighbors
        Graph on cosine distance.
    quality
        (n,) float32 in [0, 1], 1 = label and content are trusted.
    hardness
        (n,) float32 in [0, 1], 1 = hardest (EL2N).
    flagged
        (n,) bool, the scan would rather leave it out.
    clusters, groups
        (n,) int32, −1 = none.
    target
        (n,) bool, samples that the subset shall resemble.
    quality_weight, diversity
        In [0, 1], the sliders. A method that heeds them says so in ``uses``.
    seed
        Of everything random.
    options
        a method's own settings (see its docstring).
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
        return len(self.pool)

    def has(self, need: Need) -> bool:
        """Whether an input is there."""
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

    def trust(self) -> NDArray[np.float64]:
        """(n,) quality in [0.001, 1], raised to 4·quality_weight: all ones where the slider is at 0."""
        q = np.ones(self.n) if self.quality is None else np.nan_to_num(self.quality.astype(np.float64), nan=0.5)
        out: NDArray[np.float64] = np.clip(q, 1e-3, 1.0) ** (4.0 * self.quality_weight)
        return out

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)

    def within(self, rows: Int64) -> SelectionInputs:
        """The same inputs about ``rows`` only, the graph re-numbered (neighbours outside are −1, at the end of each row)."""

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
    """rows : (m ≤ budget,) int64, distinct, all in the pool and none of those already taken, in order of choice. weights :
    (m,) float32 ≥ 0 or None (all the same). info : plain values to be kept with the subset.
    """

    rows: Int64
    weights: Float32 | None = None
    info: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Selector(Protocol):
    """One way to choose. Stateless, pure, deterministic for a seed.

    Attributes
    ----------
    name
        Snake case.
    version
        Raised when the choice changes.
    title, explain
        Plain words for people.
    requires
        Inputs without which it cannot work.
    uses
        Which sliders it heeds ("quality", "diversity").
    sizes_itself
        Whether it can say by itself how many to take (budget = number in the pool).
    """

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]
    explain: ClassVar[str]
    requires: ClassVar[frozenset[Need]]
    uses: ClassVar[frozenset[str]]
    sizes_itself: ClassVar[bool]

    def __call__(self, inputs: SelectionInputs, budget: int, taken: Int64) -> SelectorResult:
        """Choose up to ``budget`` rows of the pool beside those of ``taken`` (m,), which are in the subset already."""
        ...


SELECTORS: Registry[Selector] = Registry("subset method")


def free_rows(inputs: SelectionInputs, taken: Int64) -> Int64:
    """(m,) int64 rows of the pool that are not taken, ascending."""
    open_ = inputs.pool.copy()
    open_[taken] = False
    return np.flatnonzero(open_)


def shuffled_by(weight: NDArray[np.float64], rng: np.random.Generator) -> Int64:
    """(m,) int64: an order drawn without replacement with probability ∝ weight.

    Formula: the order of −ln(U)/w (Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir").
    """
    return np.argsort(rng.exponential(size=len(weight)) / np.maximum(weight, 1e-12), kind="stable")


def shares(total: int, weight: NDArray[np.float64], room: Int64) -> Int64:
    """(g,) int64: ``total`` divided in proportion to ``weight`` with at most ``room`` each; what one cannot take, the others
    get. Largest remainders first; sums to min(total, Σ room of groups with weight).
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
