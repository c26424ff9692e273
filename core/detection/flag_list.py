"""The list of one kind at a stated false-flag rate, by sample id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import QueryError, choices
from ..types import ISSUE_KINDS, Float32, Strings
from .fdr import Method, flag_list


@dataclass(frozen=True, slots=True)
class FlagList:
    """Samples of one kind, of which at most a share ``rate`` is expected to be listed wrongly.

    Attributes
    ----------
    ids
        By descending probability.
    tested
        How many samples could have been listed.
    threshold
        Least probability listed, None = nothing listed.
    expected_false, estimated_precision, method
        See :class:`winnow.core.detection.fdr.StrictList`.
    """

    kind: str
    rate: float
    ids: list[str]
    tested: int
    threshold: float | None
    expected_false: float
    estimated_precision: float
    method: Method


def check_kind(kind: str) -> str:
    """The kind's name. Raises QueryError, with the choices, where there is no such kind."""
    if kind not in set(ISSUE_KINDS):
        raise QueryError(f"{kind!r} is not a kind of problem. There are: {choices(map(str, ISSUE_KINDS))}.")
    return str(kind)


def flags(
    kind: str, rate: float, probability: Float32, ids: Strings, ordinary: Sequence[int] | None = None
) -> FlagList:
    """The list for :meth:`winnow.core.Workspace.flag_list`.

    Parameters
    ----------
    probability
        (n,) of the kind.
    ids
        (n,).
    ordinary
        Rows that are known not to be of the kind; None = the posterior rule. Raises QueryError as
        :func:`winnow.core.detection.fdr.flag_list` does.
    """
    null = None
    if ordinary is not None:
        null = np.zeros(len(probability), bool)
        null[np.asarray(ordinary, np.int64)] = True
    found = flag_list(probability, rate, null)
    return FlagList(
        kind=check_kind(kind),
        rate=rate,
        ids=ids[found.rows].tolist(),
        tested=len(probability) - (int(null.sum()) if null is not None else 0),
        threshold=found.threshold if len(found.rows) else None,
        expected_false=found.expected_false,
        estimated_precision=found.estimated_precision,
        method=found.method,
    )
