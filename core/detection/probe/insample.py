"""Were the probabilities that somebody brought made on the very samples they speak about?"""

from __future__ import annotations

from ...types import Bool, Float32, Int32

_SURE = 0.9
_LEAST = 20
_HALF = 0.5


def memorised_share(brought: Float32, own: Float32, labels: Int32, usable: Bool) -> float | None:
    """Of the labels that our out-of-sample probe is sure are wrong, the share that the brought model believes all the same.

    A model that never saw a sample is fooled by its wrong label no more often than the probe; one that was trained on it has
    learned the label by heart (Arpit et al. 2017, "A closer look at memorization in deep networks"). So a share above a
    half says that the probabilities are in-sample.

    Parameters
    ----------
    brought, own
        (n, C) probabilities; ``own`` out of sample.
    labels
        (n,).
    usable
        (n,) readable and labelled.

    Returns
    -------
    The share in [0, 1], or None where fewer than 20 labels are surely wrong: then nothing can be said.
    """
    guess = own.argmax(axis=1)
    wrong = usable & (guess != labels) & (own.max(axis=1) >= _SURE)
    if wrong.sum() < _LEAST:
        return None
    return float((brought.argmax(axis=1) == labels)[wrong].mean())


def in_sample_notice(name: str, share: float | None) -> str:
    """A sentence for the person, or "" where the share gives no reason for one."""
    if share is None or share <= _HALF:
        return ""
    return (
        f"The probabilities {name!r} look as if their model was trained on these very samples: it believes {share:.0%} of the "
        "labels that are surely wrong. Wrong labels stay hidden behind such a model. Bring out-of-fold predictions "
        "(each sample predicted by a model that was not trained on it), or scan without --probabilities."
    )
