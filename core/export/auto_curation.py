"""What an export does with flagged samples that nobody has decided about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ExportError, choices
from ..types import PROBLEMS, Kind

ACTOR = "auto-curation"
"""Who "decided" in the columns of an export."""

EXCLUDABLE = tuple(kind.value for kind in PROBLEMS if kind is not Kind.NOISY_LABEL)
NOISY = ("keep", "exclude", "relabel")
COLUMNS = ("verdict", "noisy_label", "suggested_label", "suggested_prob")
"""What it reads of the verdicts."""


@dataclass(frozen=True)
class AutoCuration:
    """Rules for samples without a decision.

    The log does not change; the columns of the export and its manifest say what was done.

    Attributes
    ----------
    exclude
        Verdicts whose samples are left out: broken, duplicate (the keepers stay), ood.
    noisy
        What becomes of noisy labels: "keep", "exclude", or "relabel" to the suggested label.
    noisy_at
        The least probability of a noisy label that ``noisy`` is about, in [0, 1].

    Raises
    ------
    ExportError
        A value is none of the choices.
    """

    exclude: tuple[str, ...] = ()
    noisy: str = "keep"
    noisy_at: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "exclude", tuple(self.exclude))
        for kind in self.exclude:
            if kind not in EXCLUDABLE:
                raise ExportError(f"{kind!r} cannot be excluded unreviewed. There are: {choices(EXCLUDABLE)}.")
        if self.noisy not in NOISY:
            raise ExportError(f"Noisy labels can be {choices(NOISY)}, not {self.noisy!r}.")
        if not 0.0 <= self.noisy_at <= 1.0:
            raise ExportError(f"The probability of a noisy label lies between 0 and 1, not at {self.noisy_at!r}.")

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> AutoCuration | None:
        """The rules from plain values; None where they change nothing."""
        rules = cls(**values) if values else cls()
        return rules if rules.exclude or rules.noisy != "keep" else None

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the manifest."""
        return asdict(self)

    def apply(self, verdicts: pa.Table, decision: Any) -> tuple[Any, Any]:
        """What is done with each sample.

        Parameters
        ----------
        verdicts
            COLUMNS of (n,) samples.
        decision
            (n,) text, what people decided, null = nothing.

        Returns
        -------
        excluded
            (n,) bool.
        relabelled
            (n,) bool: its label becomes the suggested one.
        """
        undecided, verdict = pc.is_null(decision), verdicts.column("verdict")
        left_out = pc.is_in(verdict, value_set=pa.array(self.exclude, pa.string()))
        sure = pc.greater_equal(pc.fill_null(verdicts.column("noisy_label"), 0.0), self.noisy_at)
        noisy = pc.and_(pc.equal(verdict, Kind.NOISY_LABEL.value), sure)
        if self.noisy == "exclude":
            left_out = pc.or_(left_out, noisy)
        relabel = pc.and_(noisy, pc.is_valid(verdicts.column("suggested_label")))
        relabelled = pc.and_(undecided, relabel) if self.noisy == "relabel" else pc.and_(undecided, False)
        return pc.and_(undecided, left_out), relabelled
