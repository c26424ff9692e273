"""The routes beside Streamlit. Each carries a bearer token, media carry a signature; Host and Origin are checked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import winnow.core
from winnow.app.api import (
    decisions,
    explanations,
    exports,
    labelling,
    media,
    openapi,
    picture,
    queue,
    search,
    selections,
    sprite,
    text_highlights,
)
from winnow.app.api import map as map_api
from winnow.app.api.endpoint import endpoint, problem
from winnow.app.components.assets import asset_routes
from winnow.app.server.security import Refused, check_host
from winnow.app.server.state import server_state


async def health(request: Request) -> Response:
    """Whether the server is alive, and its release. Says nothing about any dataset."""
    try:
        check_host(request.headers.get("host"), server_state().hosts, server_state().any_address)
    except Refused as error:
        return problem(error.status, str(error))
    return JSONResponse({"status": "ok", "version": winnow.core.__version__}, headers={"Cache-Control": "no-store"})


def build_routes() -> list[Route]:
    """Every route of the app, in order."""
    return [
        Route("/api/health", health),
        Route("/api/openapi.json", openapi.openapi(build_routes)),
        Route("/api/thumb/{ws}/{id}", media.thumb),
        Route("/api/image/{ws}/{id}", media.image),
        Route("/api/export/{ws}/{id}", exports.export),
        Route("/api/cards/{ws}", endpoint(queue.cards)),
        Route("/api/like/{ws}", endpoint(queue.like)),
        Route("/api/rows/{ws}", endpoint(queue.rows)),
        Route("/api/labels/{ws}", endpoint(queue.labels)),
        Route("/api/labelling/{ws}", endpoint(labelling.labelling)),
        Route("/api/propagate/{ws}", endpoint(labelling.propagate), methods=["POST"]),
        Route("/api/label-group/{ws}", endpoint(labelling.label_group), methods=["POST"]),
        Route("/api/classes/{ws}", endpoint(labelling.add_classes), methods=["POST"]),
        Route("/api/search/{ws}", endpoint(search.search)),
        Route("/api/warm/{ws}", endpoint(search.warm)),
        Route("/api/bring/{ws}", endpoint(search.bring), methods=["POST"]),
        Route("/api/meaning/{ws}", endpoint(explanations.meaning)),
        Route("/api/evidence/{ws}", endpoint(explanations.evidence)),
        Route("/api/picture/{ws}", endpoint(picture.picture)),
        Route("/api/changes/{ws}", endpoint(decisions.changes)),
        Route("/api/points/{ws}", endpoint(map_api.points)),
        Route("/api/point/{ws}/{index:int}", endpoint(map_api.point)),
        Route("/api/colours/{ws}/{name}", endpoint(map_api.colours)),
        Route("/api/inside/{ws}", endpoint(map_api.inside), methods=["POST"]),
        Route("/api/marks/{ws}", endpoint(text_highlights.marks)),
        Route("/api/sprite/{ws}", endpoint(sprite.sprite), methods=["POST"]),
        Route("/api/groups/{ws}", endpoint(selections.groups)),
        Route("/api/members/{ws}", endpoint(selections.members)),
        Route("/api/selections/{ws}", endpoint(selections.listing)),
        Route("/api/selections/{ws}/save", endpoint(selections.save), methods=["POST"]),
        Route("/api/selections/{ws}/delete", endpoint(selections.delete), methods=["POST"]),
        Route("/api/decisions/{ws}", endpoint(decisions.decisions), methods=["POST"]),
        Route("/api/bulk/{ws}", endpoint(decisions.bulk), methods=["POST"]),
        Route("/api/suggested/{ws}", endpoint(decisions.suggested), methods=["POST"]),
        Route("/api/undo/{ws}", endpoint(decisions.undo), methods=["POST"]),
        Route("/api/redo/{ws}", endpoint(decisions.redo), methods=["POST"]),
        *asset_routes(),
    ]
