"""Evidence that a sample is unusable. What cannot be read is certain; an odd look is only mentioned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...types import Bool, Float32, Kind, KindEvidence, SignalInputs, SignalResult, Strings

_CERTAIN = {"image_low_information": 1.0, "text_empty": 1.0, "text_repeated": 0.8}
"""Signals that are a verdict from this score up: one flat colour, nothing to read, repetition."""

_WEAK_CAP = 0.4
"""Weak evidence (dark, blurred, garbled, ...) never adds up to a verdict."""

_COMMON = 0.1
"""A weak signal on more than this share of the samples describes the dataset, so it is left out."""


def broken(inputs: SignalInputs, results: Mapping[str, SignalResult]) -> KindEvidence:
    """Probability that a sample is unusable.

    Notes
    -----
    1 where it could not be read (``config["errors"]``, the media pass, no embedding) or where a certain signal is high
    (flat colour, nothing to read, repetition); else .4·(1 − Π(1 − s)) over the weak signals with s ≥ ½ rescaled to
    (0, 1], so that the order says what to look at first. ``flag`` is probability ≥ ½.
    """
    n = inputs.n
    probability = np.zeros(n, np.float32)
    reasons = np.full(n, "", object)
    _unreadable(inputs, probability, reasons)
    used = []
    doubt = np.ones(n, np.float32)
    for name, result in results.items():
        if not name.startswith(("image_", "text_")):
            continue
        used.append(name)
        score = np.nan_to_num(np.asarray(result.score, np.float32))
        if name in _CERTAIN:
            sure = (score >= _CERTAIN[name]) & (probability < 1.0)
            probability[sure] = 1.0
            _add_reasons(reasons, sure, result)
        weak = score >= 0.5
        if weak.mean() > _COMMON:
            continue
        doubt *= 1.0 - 0.9 * np.where(weak, np.minimum(1.0, 2.0 * score - 0.9), 0.0).astype(np.float32)
        _add_reasons(reasons, weak & (probability < 1.0), result)
    rest = probability < 1.0
    probability[rest] = np.maximum(probability, _WEAK_CAP * (1.0 - doubt))[rest]
    flag = probability >= 0.5
    return KindEvidence(
        Kind.BROKEN, probability, flag, reasons, info={"signals": used, "flagged": int(flag.sum()), "threshold": 0.5}
    )


def _unreadable(inputs: SignalInputs, probability: Float32, reasons: Strings) -> None:
    """Mark, in place, what could not be read."""
    errors = inputs.config.get("errors")
    if inputs.media is not None:
        failed = np.array([bool(e) for e in inputs.media.error], bool)
        probability[failed] = 1.0
        reasons[failed] = [f"the image cannot be read: {e}" for e in inputs.media.error[failed]]
    if errors is not None:
        failed = np.array([bool(e) for e in errors], bool) & (probability < 1.0)
        probability[failed] = 1.0
        reasons[failed] = [str(e) for e in np.asarray(errors, object)[failed]]
    failed = ~inputs.ok & (probability < 1.0)
    probability[failed] = 1.0
    reasons[failed] = "it has no usable embedding"


def _add_reasons(reasons: Strings, where: Bool, result: SignalResult) -> None:
    """Append the signal's own reasons, in place."""
    if result.reasons is None:
        return
    for row in np.flatnonzero(where):
        reason = str(result.reasons[row] or "")
        if reason and reason not in reasons[row]:
            reasons[row] = f"{reasons[row]}; {reason}" if reasons[row] else reason
