"""The routes beside Streamlit. Each carries a bearer token, media carry a signature; Host and Origin are checked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import winnow.core
from winnow.app.api import (
    decisions,
    media,
    queue,
    search,
    selections,
    sprite,
)
from winnow.app.api import (
    explanations as words,
)
from winnow.app.api import (
    map as atlas,
)
from winnow.app.api import (
    text_highlights as marks,
)
from winnow.app.api.endpoint import endpoint, problem
from winnow.app.components.assets import asset_routes
from winnow.app.server.security import Refused, check_host
from winnow.app.server.state import server_state


async def health(request: Request) -> Response:
    """Alive, and which release. Says nothing about any dataset."""
    try:
        check_host(request.headers.get("host"), server_state().hosts, server_state().any_address)
    except Refused as error:
        return problem(error.status, str(error))
    return JSONResponse({"status": "ok", "version": winnow.core.__version__}, headers={"Cache-Control": "no-store"})


def build_routes() -> list[Route]:
    """Every route of the app, in order."""
    return [
        Route("/api/health", health),
        Route("/api/thumb/{ws}/{id}", media.thumb),
        Route("/api/image/{ws}/{id}", media.image),
        Route("/api/cards/{ws}", endpoint(queue.cards)),
        Route("/api/like/{ws}", endpoint(queue.like)),
        Route("/api/rows/{ws}", endpoint(queue.rows)),
        Route("/api/labels/{ws}", endpoint(queue.labels)),
        Route("/api/search/{ws}", endpoint(search.search)),
        Route("/api/warm/{ws}", endpoint(search.warm)),
        Route("/api/bring/{ws}", endpoint(search.bring), methods=["POST"]),
        Route("/api/meaning/{ws}", endpoint(words.meaning)),
        Route("/api/changes/{ws}", endpoint(decisions.changes)),
        Route("/api/points/{ws}", endpoint(atlas.points)),
        Route("/api/point/{ws}/{index:int}", endpoint(atlas.point)),
        Route("/api/colours/{ws}/{name}", endpoint(atlas.colours)),
        Route("/api/inside/{ws}", endpoint(atlas.inside), methods=["POST"]),
        Route("/api/marks/{ws}", endpoint(marks.marks)),
        Route("/api/sprite/{ws}", endpoint(sprite.sprite), methods=["POST"]),
        Route("/api/groups/{ws}", endpoint(selections.groups)),
        Route("/api/members/{ws}", endpoint(selections.members)),
        Route("/api/selections/{ws}", endpoint(selections.listing)),
        Route("/api/selections/{ws}/save", endpoint(selections.save), methods=["POST"]),
        Route("/api/selections/{ws}/delete", endpoint(selections.delete), methods=["POST"]),
        Route("/api/decisions/{ws}", endpoint(decisions.decisions), methods=["POST"]),
        Route("/api/bulk/{ws}", endpoint(decisions.bulk), methods=["POST"]),
        Route("/api/undo/{ws}", endpoint(decisions.undo), methods=["POST"]),
        *asset_routes(),
    ]
