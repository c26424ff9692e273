"""GET /api/picture: everything that the picture viewer shows of a sample beside its pixels."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from winnow.app.api.endpoint import Call
from winnow.core import Filter, WinnowError

MAX_COPIES = 12
"""Most look-alikes that a picture can be compared with."""

DRAWN = frozenset({"PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"})
"""Formats of files that browsers draw; of any other the thumbnail is shown."""


def picture(call: Call) -> dict[str, Any]:
    """What is known of a sample's picture, and with which others it can be compared.

    ``?id=`` → ``{id, label, verdict, path, file, why, drawn, thumb, image, others, generation}``. ``file``: {n_bytes,
    format, width, height, mode, exif: [[tag, value], …]}, None where it cannot be read (``why`` says so); ``drawn``:
    whether browsers draw the file, else only its thumbnail can be shown. ``others``: its look-alikes, then its nearest
    samples, [{id, what: "look-alike" | "neighbour", label, distance, thumb, image}, …].
    """
    ws, sample = call.workspace, call.get("id")
    (card,) = ws.cards([sample])
    path, file, why = "", None, ""
    try:
        path, details = ws.picture_details(sample)
        file = asdict(details)
    except WinnowError as error:
        why = str(error)
    copies = _copies(call, card)
    known = {sample, *(copy["id"] for copy in copies)}
    near = [
        {"id": n["id"], "what": "neighbour", "label": n["label"], "distance": n["distance"]}
        for n in card["neighbors"]
        if n["id"] not in known
    ]
    answer = {
        "id": sample,
        "label": card["label"],
        "verdict": card["verdict"],
        "path": path,
        "file": file,
        "why": why,
        "drawn": file is not None and file["format"] in DRAWN,
        "others": [call.links(other) for other in [*copies, *near]],
        "generation": call.generation,
    }
    return call.links(answer)


def _copies(call: Call, card: dict[str, Any]) -> list[dict[str, Any]]:
    """The other members of the sample's duplicate group."""
    group = card["duplicate_group"]
    if group is None or group < 0:
        return []
    rows = call.workspace.rows(Filter(duplicate_group=group), "row", 0, MAX_COPIES + 1)
    return [
        {"id": row["sample_id"], "what": "look-alike", "label": row["label"], "distance": None}
        for row in rows
        if row["sample_id"] != card["id"]
    ][:MAX_COPIES]
