"""Words in which a text differs from another, marked in HTML."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from itertools import pairwise

from winnow.app.components.html import esc

_WORD = re.compile(r"\w+")
_WORDS = 600
"""Words of a text that are aligned."""


def marked(text: str, other: str, width: int = 160) -> str:
    """About ``width`` characters of a text around its first word that is not in an alignment with ``other``, each such word
    in ``<mark>``; the beginning where both have the same words. Letter case does not count.

    >>> marked("block my card", "Block the card")
    'block <mark class="w-differs">my</mark> card'
    """
    spans = [m.span() for m in _WORD.finditer(text)][:_WORDS]
    mine = [text[a:b].lower() for a, b in spans]
    theirs = [m.group().lower() for m in _WORD.finditer(other)][:_WORDS]
    kept = {
        place
        for block in SequenceMatcher(None, mine, theirs, autojunk=False).get_matching_blocks()
        for place in range(block.a, block.a + block.size)
    }
    apart = [span for place, span in enumerate(spans) if place not in kept]
    start = 0
    if len(text) > width and apart and apart[0][1] > width // 2:
        start = max((a for a, _ in spans if a <= apart[0][0] - width // 3), default=0)
    end = min(len(text), start + width)
    cuts = [start, *(cut for a, b in apart if a >= start and b <= end for cut in (a, b)), end]
    parts = [
        f'<mark class="w-differs">{esc(text[a:b])}</mark>' if at % 2 else esc(text[a:b])
        for at, (a, b) in enumerate(pairwise(cuts))
    ]
    return f"{'…' if start else ''}{''.join(parts)}{'…' if end < len(text) else ''}"
