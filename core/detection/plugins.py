"""Signals from elsewhere: a numeric column of the input, or another package's entry point ``winnow.signals``.

A reward model's score, perplexity or a language model's verdict, written into a column or computed from the arrays of
:class:`winnow.core.types.SignalInputs`, is shown, sorted and filtered like Winnow's own signals. See
``tests/plugin_example`` for a package with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .. import fingerprint as fp
from ..errors import QueryError, WinnowError, choices
from ..types import ISSUE_KINDS, Dataset, Float32, Input, Kind, Signal, SignalInputs, SignalMeta, SignalResult
from .signals import SIGNALS

GROUP = "winnow.signals"
"""The entry point group that other packages use."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ENDS = ("high", "low")


@dataclass(frozen=True)
class Plugins:
    """The signals of a scan beside Winnow's own.

    Attributes
    ----------
    signals
        In order, columns first.
    failed
        Plug-in → why it cannot be used.
    notices
        Sentences that the scan shows.
    fingerprint
        Hash of everything that the scores depend on, beside the arrays of the scan.
    """

    signals: tuple[Signal, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    fingerprint: str = ""

    def described(self) -> list[dict[str, str]]:
        """Name, kind, title and explanation of each signal, as plain values for the record of the scan."""
        return [{"name": s.name, "kind": s.kind.value, "title": s.title, "explain": s.explain} for s in self.signals]


def gather(dataset: Dataset, scores: Sequence[str]) -> Plugins:
    """The signals of the columns named by ``scores`` (see :func:`parse_score`) and of every installed entry point.

    A broken entry point raises nothing: it is named in ``failed``.

    Raises
    ------
    WinnowError
        A column does not exist, is not numeric, or is named twice.
    """
    columns = [column_signal(dataset, spec) for spec in scores]
    names = [s.name for s in columns]
    if doubled := sorted({n for n in names if names.count(n) > 1}):
        raise WinnowError(
            f"Two score columns would both be called {choices(doubled)}: rename one, or name it only once."
        )
    installed, failed = _installed({*SIGNALS.names(), *names})
    values = [fp.of_array(np.nan_to_num(s(_without_arrays(dataset.n)).score, nan=-1.0)) for s in columns]
    key = fp.of([(s.name, s.kind, s.version) for s in (*columns, *installed)], values, sorted(failed))
    titles = ", ".join(s.title for s in installed)
    notices = (f"Scores of installed plug-ins: {titles}.",) if installed else ()
    return Plugins((*columns, *installed), failed, notices, key)


def described(record: Mapping[str, Any], ran: Iterable[str]) -> list[SignalMeta]:
    """The signals from elsewhere of a scan, from its record of the signals, as the app shows them."""
    present = set(ran)
    why = {**record.get("skipped", {}), **record.get("failed", {})}
    return [
        SignalMeta(b["name"], b["kind"], b["title"], b["explain"], b["name"] in present, why.get(b["name"], ""))
        for b in record.get("brought", ())
    ]


def parse_score(spec: str) -> tuple[str, Kind, bool]:
    """(column, kind, whether low values are the suspicious ones) of ``COLUMN[:KIND][:low]``.

    >>> parse_score("reward:low")
    ('reward', <Kind.NOISY_LABEL: 'noisy_label'>, True)
    >>> parse_score("perplexity:hard")
    ('perplexity', <Kind.HARD: 'hard'>, False)
    """
    rest, low, kind = spec, False, Kind.NOISY_LABEL
    head, _, tail = rest.rpartition(":")
    if head and tail in _ENDS:
        rest, low = head, tail == "low"
    head, _, tail = rest.rpartition(":")
    if head and tail in {k.value for k in ISSUE_KINDS}:
        rest, kind = head, Kind(tail)
    if not rest:
        raise WinnowError(f"{spec!r} names no column. Write COLUMN, COLUMN:KIND or COLUMN:KIND:low.")
    return rest, kind, low


def column_signal(dataset: Dataset, spec: str) -> Signal:
    """A signal of a numeric (or true/false) column; ``spec`` as in :func:`parse_score`.

    Raises
    ------
    WinnowError
        There is no such column, or it is not numeric; the message names the numeric ones.
    """
    column, of_kind, low = parse_score(spec)
    table = dataset.metadata if dataset.metadata is not None else pa.table({})
    numeric = [name for name in table.column_names if numbers(table.column(name).slice(0, 1_000)) is not None]
    if column not in table.column_names:
        head = column.rpartition(":")[0]
        hint = f" Kinds are: {choices(k.value for k in ISSUE_KINDS)}." if head in table.column_names else ""
        raise WinnowError(
            f"--score {spec}: there is no column {column!r}.{hint} Numeric columns are: {choices(numeric)}."
        )
    values = numbers(table.column(column))
    if values is None:
        raise WinnowError(
            f"--score {spec}: the column {column!r} holds other things than numbers. "
            f"Numeric columns are: {choices(numeric)}."
        )
    score, scale = to_score(values, low)
    finite = values[np.isfinite(values)]
    slug = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_") or fp.of(column)[:8]

    class ColumnSignal:
        """A score that came with the data.

        Notes
        -----
        Formula: x, or 1 − x where low values are suspicious, for a column within [0, 1]; else the share of values
        below x plus half of those equal to it.
        """

        name: ClassVar[str] = f"score_{slug}"
        version: ClassVar[int] = 1
        kind: ClassVar[Kind] = of_kind
        title: ClassVar[str] = column
        explain: ClassVar[str] = (
            f"The column {column} of the data: {'low' if low else 'high'} values are suspicious ({scale})."
        )
        requires: ClassVar[frozenset[Input]] = frozenset()

        def __call__(self, inputs: SignalInputs) -> SignalResult:
            span = {"lowest": float(finite.min()), "highest": float(finite.max())} if len(finite) else {}
            return SignalResult(score.copy(), info={"column": column, "scale": scale, **span})

    return ColumnSignal()


def to_score(values: Any, low: bool) -> tuple[Float32, str]:
    """Scores (n,) float32 in [0, 1], 1 = suspicious, NaN where the value is not finite; and the scale, in words.

    Notes
    -----
    Values within [0, 1] are kept; others become their mid-rank among all, (#below + ½·#equal) / #finite.
    """
    from scipy.stats import rankdata

    x = np.asarray(values, np.float64)
    finite = np.isfinite(x)
    out = np.full(len(x), np.nan)
    if finite.any() and x[finite].min() >= 0 and x[finite].max() <= 1:
        out[finite], scale = x[finite], "as it is"
    else:
        out[finite], scale = (rankdata(x[finite]) - 0.5) / max(int(finite.sum()), 1), "by rank"
    return (1 - out if low else out).astype(np.float32), scale


def numbers(column: Any) -> NDArray[np.float64] | None:
    """(n,) float64 of an Arrow column, NaN where it is empty; None where it is not numeric, or wholly empty.

    Numbers, true/false and texts that are all numbers (a CSV has only texts) count as numeric.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        words = column.to_pandas().str.strip().replace("", None)
        parsed = pd.to_numeric(words, errors="coerce")
        return (
            parsed.to_numpy(np.float64) if words.notna().any() and bool((parsed.notna() | words.isna()).all()) else None
        )
    if not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        return None
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_pandas().to_numpy(), np.float64)


def _without_arrays(n: int) -> SignalInputs:
    return SignalInputs(n, np.ones(n, bool), np.full(n, -1, np.int32), ())


def _installed(taken: set[str]) -> tuple[list[Signal], dict[str, str]]:
    """Every entry point that is a valid signal, and why the others are not."""
    signals: list[Signal] = []
    failed: dict[str, str] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda e: e.name):
        try:
            signal = guarded(entry.load(), taken)
        except Exception as error:  # noqa: BLE001 - another package's fault must not stop the scan
            failed[f"plug-in {entry.name} ({entry.value})"] = f"{type(error).__name__}: {error}"
            continue
        taken.add(signal.name)
        signals.append(signal)
    return signals, failed


def guarded(plugin: Any, taken: Iterable[str] = ()) -> Signal:
    """A plug-in (a :class:`winnow.core.types.Signal`, or a class of one) whose results are checked.

    Raises
    ------
    QueryError
        Something is missing, the name is ill-formed or taken, or the kind is unknown.
    """
    inner = plugin() if isinstance(plugin, type) else plugin
    lacks = [a for a in ("name", "version", "kind", "title", "explain", "requires") if not hasattr(inner, a)]
    if lacks or not callable(inner):
        raise QueryError(f"It is no signal: it lacks {', '.join(lacks) or '__call__'}. See winnow.core.types.Signal.")
    if not isinstance(inner.name, str) or not _NAME.fullmatch(inner.name):
        raise QueryError(f"Its name {inner.name!r} is not snake case of at most 64 letters, digits and underscores.")
    if inner.name in set(taken):
        raise QueryError(f"Its name {inner.name!r} is taken by another signal.")
    if inner.kind not in ISSUE_KINDS:
        raise QueryError(f"Its kind {inner.kind!r} is none of {choices(k.value for k in ISSUE_KINDS)}.")
    needs = frozenset(Input(r) for r in inner.requires)

    class Guarded:
        name: ClassVar[str] = inner.name
        version: ClassVar[int] = int(inner.version)
        kind: ClassVar[Kind] = Kind(inner.kind)
        title: ClassVar[str] = str(inner.title)
        explain: ClassVar[str] = str(inner.explain)
        requires: ClassVar[frozenset[Input]] = needs

        def __call__(self, inputs: SignalInputs) -> SignalResult:
            return _checked(inner(inputs), inputs)

    Guarded.__doc__ = type(inner).__doc__
    return Guarded()


def _checked(result: SignalResult, inputs: SignalInputs) -> SignalResult:
    """The result with a float32 score; a QueryError if it is malformed."""
    score = np.asarray(result.score, np.float32)
    if score.shape != (inputs.n,):
        raise QueryError(f"Its score has the shape {score.shape}, not ({inputs.n},): one number per sample.")
    known = score[~np.isnan(score)]
    if len(known) and not (known.min() >= 0 and known.max() <= 1):
        raise QueryError(
            f"Its scores run from {known.min():g} to {known.max():g}; they must lie in [0, 1], 1 = suspicious."
        )
    for field_name, bound in (("suggestion", inputs.n_classes), ("partner", inputs.n)):
        value = getattr(result, field_name)
        if value is not None and (np.shape(value) != (inputs.n,) or np.min(value) < -1 or np.max(value) >= bound):
            raise QueryError(f"Its {field_name} must be ({inputs.n},) numbers from -1 to {bound - 1}.")
    if result.reasons is not None and np.shape(result.reasons) != (inputs.n,):
        raise QueryError(f"Its reasons must be ({inputs.n},) texts.")
    return replace(result, score=score)
