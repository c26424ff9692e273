"""What a workspace's datasheet is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..explore.filter import Filter
from ..explore.query import Counts
from ..explore.results import WorkspaceInfo
from ..review.saved_selections import SavedSelections
from ..storage.artifacts import utc_seconds
from ..subsets.evaluation import HoldoutGuard
from ..subsets.methods import SELECTORS
from ..subsets.selector import SubsetSelector
from ..types import Decision, SignalMeta
from ..version import __version__
from .datasheet import DatasheetFacts


class DatasheetSource(Protocol):
    """The questions that a datasheet asks of a workspace."""

    path: Path

    def info(self) -> WorkspaceInfo: ...
    def counts(self, filter: Filter | None = None) -> Counts: ...
    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]: ...
    def current(self, ids: Sequence[str] | None = None) -> dict[str, dict[str, Decision]]: ...
    def signals(self) -> list[SignalMeta]: ...
    @property
    def subsets(self) -> SubsetSelector: ...
    @property
    def saved_selections(self) -> SavedSelections: ...


def facts_of(ws: DatasheetSource) -> DatasheetFacts:
    """The facts as they are now."""
    info, counts = ws.info(), ws.counts()
    excluded = set(ws.ids(Filter(state="exclude")))
    material = ws.subsets.context()
    names = material.classes
    ids = ws.ids()
    given = Counter(names[c] for c in material.given.tolist() if c >= 0)
    kept: Counter[str] = Counter()
    for sample_id, code in zip(ids, material.inputs.labels.tolist(), strict=True):
        if code >= 0 and sample_id not in excluded:
            kept[names[code]] += 1
    people = Counter(person for who in ws.current().values() for person in who)
    return DatasheetFacts(
        name=info.name,
        n=info.n,
        kept=info.n - len(excluded),
        excluded=len(excluded),
        relabelled=counts.by_state.get("relabel", 0),
        modality=info.modality,
        encoder=info.encoder,
        made=utc_seconds(),
        version=__version__,
        classes=[(c, given[c], kept[c]) for c in sorted({*given, *kept})],
        verdicts=sorted(info.verdict_counts.items(), key=lambda kv: -kv[1]),
        states=list(counts.by_state.items()),
        splits=list(counts.by_split.items()),
        sources=list(counts.by_source.items()),
        people=people.most_common(),
        signals=[(s.name, s.title, "yes" if s.ran else s.why_not or "no") for s in ws.signals()],
        subset_methods=[(s.name, s.version) for s in SELECTORS],
        selections=[
            (s.name, s.count, s.method or "by hand", s.params.get("seed", ""), s.fingerprint, s.actor, s.at[:19])
            for s in ws.saved_selections.all()
        ],
        manifest=info.manifest,
        looks=len(HoldoutGuard(ws.path / "selections").looks()),
    )
