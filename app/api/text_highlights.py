"""GET /api/marks: which words of a text to mark on its card."""

from __future__ import annotations

from typing import Any

from winnow.app.api.endpoint import Call

MAX_TEXTS = 60


def marks(call: Call) -> dict[str, Any]:
    """``?id=…&id=…`` → ``{marks: {id: {words: [[word, z], …], given, toward, other}}}``.

    ``words`` tell the suggested class (z > 0) from the given one (z < 0); ``other`` is the text that this one repeats,
    where it is a near-duplicate of one.
    """
    ids = [value for key, value in call.query if key == "id"][:MAX_TEXTS]
    return {"marks": call.workspace.text_highlights.of(ids), "generation": call.generation}
