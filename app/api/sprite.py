"""POST /api/sprite: the thumbnails of many samples in one answer, so that the next cards are there before they are needed."""

from __future__ import annotations

import numpy as np
from starlette.responses import Response

from winnow.app.api.endpoint import Call
from winnow.app.api.map import framed
from winnow.app.api.media import PICTURES
from winnow.core import QueryError

MAX_PICTURES = 400
"""Thumbnails in one answer: at 256 pixels a few megabytes."""


def sprite(call: Call) -> Response:
    """``{ids: [sample, …]}`` → the thumbnails one after the other, framed as in :mod:`winnow.app.api.map`.

    ``head.sizes`` are their lengths in bytes, in the order of ``ids``, 0 = there is no picture; ``head.types`` index
    ``head.names``, the media types. Only what is served as a picture elsewhere is served here.
    """
    ids = (call.body or {}).get("ids")
    if not isinstance(ids, list) or len(ids) > MAX_PICTURES or not all(isinstance(i, str) for i in ids):
        raise QueryError(f"A sprite is asked for by at most {MAX_PICTURES} sample ids.")
    names = sorted(PICTURES)
    sizes, types, parts = [], [], []
    for sample in ids:
        found = call.workspace.thumbnail(sample)
        data, media_type = found if found and found[1] in PICTURES else (b"", names[0])
        sizes.append(len(data))
        types.append(names.index(media_type))
        parts.append(data)
    head = {"generation": call.generation, "sizes": sizes, "types": types, "names": names}
    return framed(head, np.frombuffer(b"".join(parts), np.uint8))
