"""Which samples are asked for: one frozen value that every page, queue, link and bulk verdict shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import fingerprint as fp
from ..storage.id_set import IdSet
from .filter_schema import FIELDS, LABEL_SOURCES, SEARCH, STATES, FilterField, Span
from .metadata import Condition

__all__ = ["FIELDS", "LABEL_SOURCES", "SEARCH", "STATES", "Filter", "FilterField"]


@dataclass(frozen=True)
class Filter:
    """What a sample must be; everything given must hold. Within a list, any one value does.

    Attributes
    ----------
    verdicts
        Verdicts of samples that nobody has decided about; "settled" and "disputed" are those that people have decided
        about (:data:`.verdict_style.STATUSES`). With a ``state``, the scan's verdicts, decided or not.
    kinds
        Flags, whatever the primary verdict.
    classes, suggested, splits, sources
        Names, "" = has none.
    label_sources
        Where the label in force is from: of :data:`.filter_schema.LABEL_SOURCES`, "" = there is no label.
    clusters
        Coarse cluster numbers, −1 = none.
    tags_any, tags_all, tags_none
        Samples that carry one of these tags, all of them, none of them now.
    tag_edits
        Samples that the scan would give a tag ("+joy"), or take one away ("-joy"); "+" or "-" alone means any tag.
    state
        One of STATES, about the answer of all people together.
    scores
        Probability or signal → (low, high), both included, None = open; a sample without that score does not match.
    metadata
        Column that came with the samples → condition: ("range", low, high), ("in", value, …), ("contains", words) or
        ("missing",); see :mod:`winnow.core.explore.metadata`.
    text
        Found in id, text, label or metadata, in upper or lower case.
    polygon
        Corners (x, y) on the map.
    ids
        Only these.
    pair
        (given, suggested) label.
    duplicate_group
        Its number.
    pick
        One of :data:`winnow.core.explore.queues.PICKS`, chosen among the samples that match everything else.
    strict
        A false-flag rate in (0, 1): the problems among ``verdicts`` and ``kinds`` then mean those kinds' lists at
        this rate (:mod:`winnow.core.detection.fdr`), in place of the scan's flags.
    find, like, file, without
        A search (:class:`winnow.core.explore.search.Search`) for the nearest among the samples that match everything
        else: to a description, to the sample with this id, to a given file, away from a description.

    Raises
    ------
    QueryError
        A value is none of the choices.

    See Also
    --------
    winnow.core.explore.filter_schema : the schema of these fields, from which URLs, SQL, chips and the map follow.
    """

    verdicts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    clusters: tuple[int, ...] = ()
    tags_any: tuple[str, ...] = ()
    tags_all: tuple[str, ...] = ()
    tags_none: tuple[str, ...] = ()
    tag_edits: tuple[str, ...] = ()
    label_sources: tuple[str, ...] = ()
    state: str = "any"
    scores: Mapping[str, Span] = field(default_factory=dict, hash=False)
    text: str = ""
    polygon: tuple[tuple[float, float], ...] | None = None
    ids: tuple[str, ...] | IdSet | None = None
    pair: tuple[str, str] | None = None
    duplicate_group: int | None = None
    pick: str = ""
    strict: float | None = None
    find: str = ""
    like: str = ""
    file: str = ""
    without: str = ""
    metadata: Mapping[str, Condition] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name, spec in FIELDS.items():
            object.__setattr__(self, name, spec.check(getattr(self, name)))

    @property
    def given(self) -> Iterator[tuple[FilterField, Any]]:
        """(field, value) of everything that is asked for, in the order of the schema."""
        return ((spec, value) for name, spec in FIELDS.items() if (value := getattr(self, name)) != spec.default)

    @property
    def searching(self) -> bool:
        """Whether samples are looked for by similarity."""
        return any(getattr(self, name) for name in SEARCH)

    @property
    def active(self) -> bool:
        """Whether anything is asked for at all."""
        return any(True for _ in self.given)

    def to_query(self) -> dict[str, str]:
        r"""The filter as flat text values, for a URL: the inverse of :meth:`from_query`. Defaults are left out.

        >>> Filter(verdicts=("ood",), classes=("a,b", "c"), scores={"hard": (0.5, None)}).to_query()
        {'verdicts': 'ood', 'classes': 'a\\,b,c', 'score.hard': '0.5..'}
        """
        out: dict[str, str] = {}
        for spec, value in self.given:
            entries = value.items() if spec.prefix else [(spec.name, value)]
            out |= {f"{spec.prefix}{name}": spec.write(entry) for name, entry in entries}
        return out

    @property
    def fingerprint(self) -> str:
        """The cache key of what is asked for, ids included."""
        within = (
            self.ids.digest if isinstance(self.ids, IdSet) else None if self.ids is None else fp.of_strings(self.ids)
        )
        return fp.of(replace(self, ids=None).to_query(), within)

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Filter:
        """The filter of a URL's parameters; other parameters are passed over.

        Raises
        ------
        QueryError
            A value is none of the choices.
        """
        values: dict[str, Any] = {}
        for name, spec in FIELDS.items():
            if spec.prefix:
                named = {
                    key.removeprefix(spec.prefix): text for key, text in query.items() if key.startswith(spec.prefix)
                }
                values[name] = {entry: spec.read(text) for entry, text in named.items()}
            elif name in query:
                values[name] = spec.read(query[name])
        return cls(**values)
