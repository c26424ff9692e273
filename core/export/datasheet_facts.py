"""Collecting the content of a workspace's datasheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ..explore.filter import Filter
from ..explore.results import Counts, WorkspaceInfo
from ..review.active_learning import Auditor
from ..review.saved_selections import SavedSelections
from ..storage.artifacts import utc_seconds
from ..subsets.evaluation import HoldoutGuard
from ..subsets.methods import SELECTORS
from ..subsets.selector import SubsetSelector
from ..types import Decision, SignalMeta
from ..version import __version__
from .datasheet import DatasheetFacts


class DatasheetSource(Protocol):
    """The part of a workspace that a datasheet needs."""

    path: Path

    def info(self) -> WorkspaceInfo:
        """Name, size, encoder and manifest."""
        ...

    def counts(self, filter: Filter | None = None) -> Counts:
        """Counts by state, split and source."""
        ...

    def ids(self, filter: Filter | None = None, sort: str = "row", group: str = "") -> list[str]:
        """Ids of the matching samples."""
        ...

    def current(self, ids: Sequence[str] | None = None) -> dict[str, dict[str, Decision]]:
        """Decisions in force by sample and person."""
        ...

    def signals(self) -> list[SignalMeta]:
        """Every signal, and whether it ran."""
        ...

    @property
    def audit(self) -> Auditor:
        """The blind audits."""
        ...

    @property
    def subsets(self) -> SubsetSelector:
        """Class names and labels in force."""
        ...

    @property
    def saved_selections(self) -> SavedSelections:
        """Selections that people saved."""
        ...


def facts_of(ws: DatasheetSource) -> DatasheetFacts:
    """Collect the current facts."""
    info, counts = ws.info(), ws.counts()
    excluded = set(ws.ids(Filter(state="exclude")))
    context = ws.subsets.context()
    names = context.classes
    given = Counter(names[c] for c in context.given.tolist() if c >= 0)
    kept = Counter(
        names[code]
        for sample_id, code in zip(ws.ids(), context.inputs.labels.tolist(), strict=True)
        if code >= 0 and sample_id not in excluded
    )
    report = ws.audit.report()
    people = Counter(person for decisions in ws.current().values() for person in decisions)
    return DatasheetFacts(
        name=info.name,
        n=info.n,
        kept=info.n - len(excluded),
        excluded=len(excluded),
        relabelled=counts.by_state.get("relabel", 0),
        modality=info.modality,
        encoders=tuple(used.name for used in info.encoders),
        created=utc_seconds(),
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
        audit=[
            (name, f"{value.value:.1%}", f"{value.low:.1%} to {value.high:.1%}")
            for name, value in (report.estimates() if report else ())
        ],
        audited=f"{report.answered:,} samples judged, drawn {report.at}" if report else "",
        looks=len(HoldoutGuard(ws.path / "selections").looks()),
    )
