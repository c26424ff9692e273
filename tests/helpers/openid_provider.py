"""An OpenID provider on loopback that can be told to issue tokens that are not sound."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT = "winnow"


class Provider:
    """Answers discovery, authorization, token and keys.

    Attributes
    ----------
    change
        Called with the claims of each id token; returns those that are signed.
    key
        What it signs with; ``own`` is the one that it publishes.
    algorithm
        Of the signature.
    """

    def __init__(self) -> None:
        self.own = self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.algorithm = "RS256"
        self.change: Callable[[dict[str, Any]], dict[str, Any]] = dict
        self._codes: dict[str, str] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/keys", self._keys),
        ]
        self._server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.05)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.issuer = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    def sound(self) -> None:
        """Issue sound tokens again."""
        self.key, self.algorithm, self.change = self.own, "RS256", dict

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    async def _keys(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.own.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        code = f"code{len(self._codes)}-{time.monotonic_ns()}"
        self._codes[code] = query.get("nonce", "")
        return RedirectResponse(f"{query['redirect_uri']}?code={code}&state={query['state']}", status_code=302)

    async def _token(self, request: Request) -> Response:
        nonce = self._codes.pop(str((await request.form()).get("code")), None)
        if nonce is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 600,
            "nonce": nonce,
            "email": "ada@example.org",
            "email_verified": True,
        }
        token = self._signed(self.change(claims))
        return JSONResponse({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": self.algorithm, "kid": "one"}
        if self.algorithm == "none":
            parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in (header, claims)]
            return ".".join([*parts, ""])
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])
