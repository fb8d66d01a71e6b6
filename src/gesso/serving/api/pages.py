"""Static files (the page, its scripts, the API documentation), the OpenAPI description, and one-time login links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import Request as Http
from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse

from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.serving.access.links import ROUTE
from gesso.serving.http.guard import OPEN, TOKEN, identity_of
from gesso.serving.http.routes import Routes
from gesso.serving.http_errors import Unauthorized
from gesso.serving.services import Services

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".md": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
OWN = Path(__file__).parent / "docs"


def register(routes: Routes, services: Services, pages: Mapping[str, Path]) -> None:
    """Register the files of `pages` {first part of the path: folder}, and the endpoints of login links."""
    files = {f"api/docs/{name}" if name != "docs.html" else "api/docs": path for name, path in servable_files(OWN).items()}
    for prefix, folder in pages.items():
        files |= {f"{prefix}/{name}".strip("/"): path for name, path in servable_files(folder).items()}
    front = files.get("index.html")
    scripts = [name for name in files if name.endswith(".js") and not name.startswith("api/")]

    @routes.http("GET", "/api/openapi.json", who=TOKEN, tags=["watch"], summary="This description")
    def description() -> Any:
        return JSONResponse(routes.app.openapi())

    @routes.http("GET", "/", who=OPEN, include_in_schema=False)
    def visit(http: Http) -> Any:
        key = http.query_params.get("key")
        if key is not None:
            return open_link(services, http, key)
        return RedirectResponse("/api/docs", 303) if front is None else front_page(front, scripts)

    @routes.http("POST", f"/{ROUTE}", who=TOKEN, tags=["watch"], summary="Create a one-time login link; requires a token")
    def new_link(http: Http) -> Any:
        identity = identity_of(http)
        if identity.by != "token":  # a logged-in browser, or malicious code in it, must not create logins
            raise Unauthorized("this needs a token", where="Authorization", fix="gesso studio --link")
        return {"link": services.access.link(identity.owner)}

    for name, path in files.items():  # one route per file: no requested path is ever joined to a folder
        routes.http("GET", f"/{name}", who=OPEN, include_in_schema=False)(partial(static_file, path))


def open_link(services: Services, http: Http, key: str) -> Response:
    """Log in with the key of a link, and redirect to an address without it. If the key is invalid, the page explains it."""
    response = RedirectResponse("/", 303)
    secret = services.access.redeem(key)
    if secret is not None:
        response.headers["Set-Cookie"] = services.access.set_cookie(secret, http.headers["host"])
    elif services.access.identify(dict(http.headers.items())) is None and "text/html" not in http.headers.get("accept", ""):
        raise Unauthorized(
            "this link was used already, or is from before the server's last start", fix="gesso studio --link prints another"
        )
    return response


def servable_files(folder: Path) -> dict[str, Path]:
    """The files under a folder with a known content type, by their relative paths."""
    if not folder.is_dir():
        raise GessoError("there is no such folder of pages", where=folder)
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.suffix in TYPES and path.is_file()}


def front_page(path: Path, scripts: Sequence[str]) -> Response:
    """The page, with preload headers for all scripts: without them the browser would load the scripts one after another."""
    response = static_file(path)
    response.headers["Link"] = ", ".join(f"</{name}>; rel=modulepreload" for name in scripts)
    return response


def static_file(path: Path) -> Response:
    return Response(read_bytes(path), media_type=TYPES[path.suffix], headers={"Cache-Control": "no-cache"})
