"""The ASGI application: services, endpoints and the guard. It refuses to start if a route has no declared policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi import Request as Http
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gesso import __version__
from gesso.errors import GessoError, field_error
from gesso.serving.api import films, generate, jobs, openai_images, palettes, sessions, signing, weights
from gesso.serving.api import pages as static
from gesso.serving.http.guard import RequestGuard
from gesso.serving.http.routes import Routes
from gesso.serving.http_errors import HttpError, error_response
from gesso.serving.live import socket
from gesso.serving.services import Services
from gesso.serving.settings import Settings

THREADS = 64
RESOURCES = (generate, films, sessions, socket, openai_images, signing, jobs, palettes, weights)


def create_app(
    settings: Settings | None = None, *, pages: Mapping[str, Path] | None = None, extend: Callable[[Routes, Services], None] | None = None
) -> FastAPI:
    """The server as an ASGI application; its `state` holds the `services` and the `policies` of all routes.

    `pages` {first part of the path: folder} are static files served without a token, "" being the page at /; `extend` registers
    further routes. GessoError if a route has no policy, or if a recipe that the settings name does not exist.
    """
    settings = settings or Settings()
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services.home_lock.acquire()
        # Enough threads that slow uploads of one user do not block the edits of others.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        services.decoder.start()
        asyncio.get_running_loop().run_in_executor(None, services.marker.status)  # starts the signer before the first output needs it
        asyncio.get_running_loop().run_in_executor(None, services.files.delete_orphans)
        await asyncio.to_thread(services.jobs.open)
        if settings.warm:
            services.warmup.start()
        yield
        await asyncio.to_thread(services.close)

    app = FastAPI(
        title="Gesso", version=__version__, lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    routes = Routes(app)
    for resource in RESOURCES:
        resource.register(routes, services)
    if extend is not None:
        extend(routes, services)
    static.register(routes, services, pages or {})
    app.state.services, app.state.policies = services, routes.policies
    app.add_exception_handler(GessoError, _error_handler)
    app.add_exception_handler(HTTPException, _error_handler)
    app.add_exception_handler(RequestValidationError, _error_handler)
    app.add_middleware(RequestGuard, settings=settings, access=services.access, policies=routes.policies, metrics=services.metrics)
    routes.policies.check()
    return app


async def _error_handler(http: Http, error: Exception) -> Response:
    return error_response(_as_gesso_error(error), like_openai=http.url.path.startswith("/v1/"))


def _as_gesso_error(error: Any) -> GessoError:
    if isinstance(error, RequestValidationError):
        first: dict[str, Any] = dict(error.errors()[0])
        wrong = field_error(first | {"loc": first.get("loc", ())[1:]})
        return HttpError(wrong.what, where=wrong.where, fix=wrong.fix)
    if isinstance(error, HTTPException):
        messages = {404: "there is nothing at this address", 405: "this address does not take that method"}
        where = "address" if error.status_code in messages else "body"
        http_error = HttpError(messages.get(error.status_code, str(error.detail)), where=where)
        http_error.status = error.status_code
        return http_error
    assert isinstance(error, GessoError)
    return error
