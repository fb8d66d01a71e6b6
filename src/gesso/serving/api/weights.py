"""The endpoint for weights that a user has: of a fit or a training on the command line."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request as Http
from fastapi.responses import JSONResponse

from gesso.errors import GessoError
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes, body_of
from gesso.serving.services import Services

MOST_BYTES = 128 * 2**20


def register(routes: Routes, services: Services) -> None:
    """Register the endpoint of weights."""

    def keep(owner: str, data: bytes) -> dict[str, Any]:
        used = {hashed for one in services.sessions.list(owner) for hashed in one.weights.values()}
        services.user_weights.delete_unused(owner, used)
        sent = services.user_weights.put(owner, data)
        known = services.catalogue.recipes()
        if sent.recipe not in known or not known[sent.recipe].keeps:
            services.user_weights.drop(owner, sent.sha256)
            what = f"are weights of {sent.recipe[:60]!r}, which is no recipe here"
            raise GessoError(what, where="weights", fix=f"weights of one of {', '.join(name for name in known if known[name].keeps)}")
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
