"""Words in which a text differs from another."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import pairwise

from winnow.app.components.html import render
from winnow.core.types import WORD

_ALIGNED = 600
"""Words of a text that are aligned; of those after them, a word differs if the other text does not have it at all."""


def differing_words(text: str, other: str) -> list[int]:
    """Places of the words that are not in an alignment with ``other``, in order. Letter case does not count.

    Examples
    --------
    >>> differing_words("block my card", "Block the card")
    [1]
    """
    words, others = ([word.lower() for word in WORD.findall(t)] for t in (text, other))
    matcher = SequenceMatcher(None, words[:_ALIGNED], others[:_ALIGNED], autojunk=False)
    aligned = {i for block in matcher.get_matching_blocks() for i in range(block.a, block.a + block.size)}
    known = set(others)
    return [i for i, word in enumerate(words) if (i not in aligned if i < _ALIGNED else word not in known)]


def marked(text: str, other: str, width: int = 160) -> str:
    """About ``width`` characters of a text around its first differing word, each such word in ``<mark>``.

    It is the beginning where both have the same words.

    Examples
    --------
    >>> str(marked("block my card", "Block the card"))
    'block <mark class="w-differs">my</mark> card'
    """
    spans = [m.span() for m in WORD.finditer(text)]
    apart = [spans[i] for i in differing_words(text, other)]
    start = 0
    if len(text) > width and apart and apart[0][1] > width // 2:
        start = max((a for a, _ in spans if a <= apart[0][0] - width // 3), default=0)
    end = min(len(text), start + width)
    cuts = [start, *(cut for a, b in apart if a >= start and b <= end for cut in (a, b)), end]
    return render("macros", "marked", [text[a:b] for a, b in pairwise(cuts)], start > 0, end < len(text))
