"""Endpoints for weights that a user sends: of a fit or a training on the command line."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request as Http
from fastapi import Response
from fastapi.responses import JSONResponse

from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes, body_of
from gesso.serving.http_errors import HttpError
from gesso.serving.services import Services

MOST_BYTES = 128 * 2**20


def register(routes: Routes, services: Services) -> None:
    """Register the endpoints of weights."""

    def used(owner: str) -> set[str]:
        return {hashed for one in services.sessions.list(owner) for hashed in one.weights.values()}

    def keep(owner: str, data: bytes) -> dict[str, Any]:
        services.user_weights.delete_unused(owner, used(owner))
        known = {name: tuple(one.presets) for name, one in services.catalogue.recipes().items() if one.keeps}
        sent = services.user_weights.put(owner, data, known)
        return sent.to_json() | {"recipe": sent.recipe}

    @routes.http(
        "POST",
        "/api/weights",
        who=TOKEN,
        max_body=MOST_BYTES,
        tags=["recipes"],
        summary="Weights of your own (.safetensors), which are deleted after an hour unless a session uses them",
        openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": PICTURE_BODY}}},
    )
    async def send(http: Http) -> Any:
        owner, data = identity_of(http).owner, await body_of(http)
        return JSONResponse(await asyncio.to_thread(keep, owner, data), 201)

    @routes.http("DELETE", "/api/weights/{sha256}", who=TOKEN, tags=["recipes"], summary="Delete weights that no session of yours uses")
    def drop(sha256: str, http: Http) -> Any:
        owner = identity_of(http).owner
        if sha256 in used(owner):
            refused = HttpError("a session uses these weights", where="sha256", fix="delete the session first")
            refused.status = 409
            raise refused
        services.user_weights.delete(owner, sha256)
        return Response(status_code=204)
