"""The answers of a workspace: small frozen values, safe to pass to pages and to write as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from ..errors import plural
from ..features.encoders import PRECOMPUTED
from ..storage.artifacts import load_json, plain
from ..storage.layout import Layout
from ..types import Strings
from .summary import MAX_ROWS, Picture, Summarised, SummaryTable, counted
from .verdict_style import STATUSES


@dataclass(frozen=True)
class EncoderUsed:
    """One encoder of a scan.

    Attributes
    ----------
    name
        What ``--encoder`` takes, or the file of precomputed embeddings.
    dim
        Width of its vectors.
    embedded
        How many samples it embedded.
    """

    name: str
    dim: int
    embedded: int


def encoders_used(results: Mapping[str, Any]) -> tuple[EncoderUsed, ...]:
    """The encoders that ``results.json`` names, the first's first; earlier releases wrote one, without its coverage."""
    each = results.get("encoders") or [{**results["encoder"], "embedded": results["n"]}]
    return tuple(EncoderUsed(e.get("file") or e["name"], int(e["dim"]), int(e["embedded"])) for e in each)


@dataclass(frozen=True, repr=False)
class WorkspaceInfo(Summarised):
    """What a workspace is, without reading its tables.

    ``encoder`` is the first of ``encoders``; ``generation`` changes when a scan wrote new results.
    """

    path: str
    name: str
    n: int
    n_labelled: int
    modality: str
    class_names: tuple[str, ...]
    encoder: str
    created: str
    generation: str
    verdict_counts: dict[str, int]
    n_decisions: int
    has_map: bool
    notices: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    n_class_changes: int = 0
    encoders: tuple[EncoderUsed, ...] = ()

    def summary_table(self) -> SummaryTable:
        """The verdicts of the scan."""
        counts = [(STATUSES[kind].name, n) for kind, n in self.verdict_counts.items()]
        encoders = ", ".join(e.name for e in self.encoders)
        title = f"{self.name}: {plural(self.n, 'sample')}, {len(self.class_names):,} classes ({encoders})"
        return counted(title, counts, "verdict", f"scanned {self.created} in {self.path}")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return cast("dict[str, Any]", plain(self))


@dataclass(frozen=True)
class Points:
    """The map.

    Attributes
    ----------
    ids
        (n,) sample ids.
    xy
        (n, 2) float32 in map coordinates, NaN = not placed.
    clusters
        Each with a name, a centre and a size.
    fine
        The same for the finer level, each ``within`` one of the clusters.
    """

    ids: Strings
    xy: np.ndarray[Any, np.dtype[np.float32]]
    clusters: list[dict[str, Any]]
    fine: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Colours:
    """Values per point.

    Attributes
    ----------
    name
        Of the colouring.
    names, codes
        For categories: their names, and (n,) uint16 indices into them, 65535 = none.
    values
        For scores: (n,) float32, NaN = not scored.
    ends
        For numbers of the metadata: what 0 and 1 of ``values`` stand for.
    """

    name: str
    names: tuple[str, ...] | None
    codes: np.ndarray[Any, np.dtype[np.uint16]] | None
    values: np.ndarray[Any, np.dtype[np.float32]] | None
    ends: tuple[float, float] | None = None


class SampleRows(list[dict[str, Any]], Summarised):
    """A page of samples: a list of plain values, which shows itself as a table with their pictures.

    Parameters
    ----------
    rows
        The samples.
    thumbnail
        Sample id → its picture, None = none.
    """

    def __init__(self, rows: Iterable[dict[str, Any]], thumbnail: Callable[[str], Picture | None]) -> None:
        super().__init__(rows)
        self._thumbnail = thumbnail

    __repr__ = Summarised.__repr__

    def __reduce__(self) -> Any:
        return list, (list(self),)  # pictures stay in the workspace

    def summary_table(self) -> SummaryTable:
        """Id, labels, verdict and reasons of the samples."""
        head = ("sample", "label", "suggested", "verdict", "reasons")
        rows = [
            (
                row["sample_id"],
                row["label_now"] or "–",
                row["suggested"] or "–",
                STATUSES[row["verdict"]].name,
                row["reasons"] or "",
            )
            for row in self
        ]
        captions = [(row["sample_id"], f"{row['sample_id']} · {row['label_now'] or '–'}") for row in self[:MAX_ROWS]]
        pictures = [(caption, picture) for i, caption in captions if (picture := self._thumbnail(i)) is not None]
        return SummaryTable(plural(len(self), "sample"), head, rows, pictures=pictures)


@dataclass(frozen=True)
class BatchResult:
    """A bulk verdict: how many samples it covers, and its batch, which one undo takes back."""

    batch_id: str
    count: int


@dataclass(frozen=True, repr=False)
class Counts(Summarised):
    """How many samples there are and match, and how those that match spread, most frequent first.

    "" stands for "has none" in by_class, by_suggested, by_split, by_source and by_label_source, −1 in by_cluster;
    by_state has "undecided". ``by_verdict`` counts what is open under its verdict, and what people have decided as
    "settled" or "disputed"; where the filter asks for a state of decision, all by their verdicts. ``by_kind`` counts
    the scan's flags, so one sample can count in several; so does ``by_tag``, the tags now, where samples have some.
    """

    total: int
    matching: int
    by_verdict: dict[str, int] = field(default_factory=dict)
    by_kind: dict[str, int] = field(default_factory=dict)
    by_class: dict[str, int] = field(default_factory=dict)
    by_suggested: dict[str, int] = field(default_factory=dict)
    by_split: dict[str, int] = field(default_factory=dict)
    by_source: dict[str, int] = field(default_factory=dict)
    by_cluster: dict[int, int] = field(default_factory=dict)
    by_state: dict[str, int] = field(default_factory=dict)
    by_label_source: dict[str, int] = field(default_factory=dict)
    by_tag: dict[str, int] = field(default_factory=dict)

    def summary_table(self) -> SummaryTable:
        """What is open of each verdict, and what is settled."""
        counts = [(STATUSES[verdict].name, n) for verdict, n in self.by_verdict.items()]
        return counted(f"{self.matching:,} of {plural(self.total, 'sample')}", counts, "verdict")


def workspace_info(
    layout: Layout,
    header: Mapping[str, Any],
    results: Mapping[str, Any],
    *,
    generation: str,
    n_decisions: int,
    n_class_changes: int,
) -> WorkspaceInfo:
    """What the files of a scan say of a workspace, with the state of its log."""
    manifest = load_json(layout.manifest) if layout.manifest.exists() else {}
    encoder = results["encoder"]["name"]
    return WorkspaceInfo(
        path=str(layout.root),
        name=header["name"],
        n=results["n"],
        n_labelled=results["n_labelled"],
        modality=results["modality"],
        class_names=tuple(results["class_names"]),
        encoder="precomputed" if encoder == PRECOMPUTED else encoder,
        encoders=encoders_used(results),
        created=manifest.get("created", header["created"]),
        generation=generation,
        verdict_counts=results["verdict_counts"],
        n_decisions=n_decisions,
        n_class_changes=n_class_changes,
        has_map=layout.projection.exists(),
        notices=tuple(manifest.get("notices", ())),
        failures=manifest.get("failures", {}),
        seconds=manifest.get("seconds", {}),
        manifest=manifest,
        results=dict(results),
    )
