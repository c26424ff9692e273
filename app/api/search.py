"""Search: GET /api/search and /api/warm, POST /api/bring for a file to compare the samples with."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.core import QueryError

MAX_ROWS = 500


def search(call: Call) -> dict[str, Any]:
    """The most similar samples first, each with its ``similarity``.

    ``?<filter>`` with a search in it (``find``, ``like``, ``file``, ``without``) → ``{rows, total, notice,
    generation}``. ``q`` is another name of ``find``. ``notice`` says how words are understood where that matters.
    """
    flt = call.filter()
    if call.get("q"):
        flt = replace(flt, find=call.get("q"))
    if not flt.searching:
        raise QueryError(
            "A search needs words (find), a sample (like) or a file (file) to be near to, or words to avoid (without)."
        )
    limit = call.number("limit", 200, 1, MAX_ROWS)
    rows = call.workspace.rows(flt, "match", 0, limit)
    return {
        "total": call.workspace.counts(flt).matching,
        "generation": call.generation,
        "notice": call.workspace.searcher.notice() if flt.find or flt.without else "",
        "rows": [{**call.links(r), "similarity": float(r["scores"]["match"])} for r in rows],
    }


def warm(call: Call) -> dict[str, Any]:
    """Load what a search by words needs while the words are still being typed."""
    call.workspace.searcher.prepare()
    return {"ready": True}


def bring(call: Call) -> dict[str, Any]:
    """Keep a file for a search: ``{data: base64}`` → ``{file: handle}``.

    The data is a picture, or UTF-8 text where the dataset holds texts.
    """
    data = (call.body or {}).get("data")
    try:
        content = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise QueryError("The file did not arrive whole. Bring it again.") from None
    if not content:
        raise QueryError("This file is empty.")
    return {"file": call.workspace.searcher.keep(content)}
