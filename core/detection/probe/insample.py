"""Whether given probabilities come from a model that was trained on the same samples."""

from __future__ import annotations

from ...types import Bool, Float32, Int32

_SURE = 0.9
_LEAST = 20
_HALF = 0.5


def memorised_share(given: Float32, own: Float32, labels: Int32, usable: Bool) -> float | None:
    """Of the labels that the out-of-sample probe is sure are wrong, the share that the given probabilities support.

    A model that never saw a sample believes its wrong label no more often than the probe does; one that was trained on
    it has memorised the label. So a share above one half means that the probabilities are in-sample.

    Parameters
    ----------
    given
        (n, C) probabilities to test.
    own
        (n, C) out-of-sample probabilities.
    labels
        (n,) int32 class codes.
    usable
        (n,) bool, readable and labelled.

    Returns
    -------
    float or None
        The share in [0, 1]; None where fewer than 20 labels are surely wrong.

    References
    ----------
    Arpit et al. (2017), "A closer look at memorization in deep networks", ICML.
    """
    guess = own.argmax(axis=1)
    wrong = usable & (guess != labels) & (own.max(axis=1) >= _SURE)
    if wrong.sum() < _LEAST:
        return None
    return float((given.argmax(axis=1) == labels)[wrong].mean())


def in_sample_notice(name: str, share: float | None) -> str:
    """A notice, or "" where the share gives no reason for one."""
    if share is None or share <= _HALF:
        return ""
    return (
        f"The probabilities {name!r} look as if their model was trained on these very samples: "
        f"it believes {share:.0%} of the labels that are surely wrong. Wrong labels stay hidden behind such a model. "
        "Give out-of-fold predictions (each sample predicted by a model that was not trained on it), or scan without "
        "--probabilities."
    )
