"""POST /api/sprite: the thumbnails of many samples in one answer, to load the next cards ahead."""

from __future__ import annotations

import numpy as np
from starlette.responses import Response

from winnow.app.api.endpoint import Call
from winnow.app.api.map import framed
from winnow.app.api.media import PICTURES
from winnow.core import QueryError

MAX_PICTURES = 400
"""Most thumbnails in one answer: a few megabytes at 256 pixels."""


def sprite(call: Call) -> Response:
    """Thumbnails one after the other, framed as in :mod:`winnow.app.api.map`.

    ``{ids: [sample, …]}`` → bytes, with ``head.sizes``, their lengths in the order of ``ids`` (0 = no picture), and
    ``head.types``, indices into ``head.names``, the media types. Only types that /api/thumb serves are served here.
    """
    ids = (call.body or {}).get("ids")
    if not isinstance(ids, list) or len(ids) > MAX_PICTURES or not all(isinstance(i, str) for i in ids):
        raise QueryError(f"A sprite takes a list of at most {MAX_PICTURES} sample ids.")
    names = sorted(PICTURES)
    sizes, types, parts = [], [], []
    for sample in ids:
        data, media_type = call.workspace.thumbnail(sample) or (b"", "")
        if media_type not in PICTURES:
            data, media_type = b"", names[0]
        sizes.append(len(data))
        types.append(names.index(media_type))
        parts.append(data)
    head = {"generation": call.generation, "sizes": sizes, "types": types, "names": names}
    return framed(head, np.frombuffer(b"".join(parts), np.uint8))
