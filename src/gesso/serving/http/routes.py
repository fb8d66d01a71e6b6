"""Registration of routes: each with its policy, its body model, and its entry in the OpenAPI description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError

from gesso.errors import GessoError, as_gesso_error
from gesso.serving.http.guard import Policies, Policy
from gesso.serving.http.json_text import parse
from gesso.serving.http_errors import HttpError

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Read = TypeVar("Read", bound=BaseModel)
PICTURE_BODY = {"schema": {"type": "string", "format": "binary"}}


class Routes:
    """Registers routes together with their policies."""

    def __init__(self, app: FastAPI) -> None:
        self.app, self.policies = app, Policies(app.router.routes)

    def http(
        self,
        method: str,
        path: str,
        *,
        who: str,
        max_body: int = 0,
        streamed: bool = False,
        reads: type[BaseModel] | None = None,
        **more: Any,
    ) -> Callable[[Endpoint], Endpoint]:
        """Decorator for an endpoint that `who` may use, with a body of at most `max_body` bytes, described by the model `reads` if JSON.

        The body of a `streamed` route is not held in memory.
        """
        if reads is not None:
            content = {"application/json": {"schema": _inlined(reads)}}
            more["openapi_extra"] = {"requestBody": {"required": True, "content": content}}

        def register(endpoint: Endpoint) -> Endpoint:
            self.app.add_api_route(path, endpoint, methods=[method], response_model=None, **more)
            self.policies.declare(self.app.router.routes[-1], Policy(who, max_body, streamed))
            return endpoint

        return register

    def socket(self, path: str, *, who: str) -> Callable[[Endpoint], Endpoint]:
        def register(endpoint: Endpoint) -> Endpoint:
            self.app.add_api_websocket_route(path, endpoint)
            self.policies.declare(self.app.router.routes[-1], Policy(who))
            return endpoint

        return register


async def body_of(request: Request) -> bytes:
    """The whole body; the guard limits its size."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
    return bytes(received)


async def read_json(request: Request, model: type[Read]) -> Read:
    """A JSON body as `model`; GessoError names the invalid field."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType("the body must be JSON", where="Content-Type", fix="application/json")
    return as_model(parse(await body_of(request), where="body"), model)


def as_model(value: Any, model: type[Read]) -> Read:
    if not isinstance(value, dict):
        raise GessoError(f"must be a JSON object, not {type(value).__name__}", where="body")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise as_gesso_error(error) from None


class UnsupportedMediaType(HttpError):
    """The body has another content type than the route reads."""

    status = 415


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema with references resolved, as they would not hold inside the OpenAPI document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(value: Any, depth: int = 0) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                name = value["$ref"].rpartition("/")[2]
                return resolve(definitions[name], depth + 1) if depth < 3 else {"type": "object", "title": name}
            return {k: resolve(v, depth) for k, v in value.items() if k != "discriminator"}
        return [resolve(one, depth) for one in value] if isinstance(value, list) else value

    resolved: dict[str, Any] = resolve(schema)
    return resolved
