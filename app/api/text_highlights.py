"""GET /api/marks: which words of a text its card highlights."""

from __future__ import annotations

from typing import Any

from winnow.app.api.endpoint import Call
from winnow.app.components.text_diff import differing_words
from winnow.app.session import filters
from winnow.core import Filter

MAX_TEXTS = 60


def marks(call: Call) -> dict[str, Any]:
    """Words to highlight in texts.

    ``?id=…&id=…`` → ``{marks: {id: {words: [[word, z], …], given, toward, differs}}, generation}``. ``words`` speak for
    the suggested class (z > 0) or for the given one (z < 0). ``differs`` are the places of the words that the text it
    nearly repeats does not have, null where it is no near-duplicate.
    """
    ids = [value for key, value in call.query if key == "id"][:MAX_TEXTS]
    highlights = call.workspace.text_highlights.of(ids)
    originals = {i: highlight.pop("other") for i, highlight in highlights.items()}
    repeated = [i for i, original in originals.items() if original is not None]
    rows = call.workspace.rows(filters.with_ids(Filter(), repeated), "row", 0, len(repeated)) if repeated else []
    texts = {row["sample_id"]: row["text"] for row in rows}
    for i, highlight in highlights.items():
        highlight["differs"] = differing_words(texts[i], originals[i]) if i in texts else None
    return {"marks": highlights, "generation": call.generation}
