"""The HTTP and WebSocket server behind the studio. `create_app(Settings(…))` makes the application, `serve` runs it.

A client is ten lines (the server prints its token when it starts; GESSO_TOKEN chooses one):

    import json, os, urllib.request

    def call(method, path, body=None, kind="application/json", accept="application/json"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": "Bearer " + os.environ["GESSO_TOKEN"], "Content-Type": kind, "Accept": accept}
        request = urllib.request.Request("http://127.0.0.1:8765" + path, data, headers, method=method)
        return urllib.request.urlopen(request).read()

    cat = json.loads(call("POST", "/api/uploads", open("cat.png", "rb").read(), "application/octet-stream"))
    body = {"recipe": "colorize", "conditions": {"sketch": {"upload": cat["id"]}}, "seed": 5}
    open("coloured.png", "wb").write(call("POST", "/api/generate", body, accept="image/png"))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gesso.errors import MissingExtra

if TYPE_CHECKING:
    from gesso.serving.app import create_app as create_app
    from gesso.serving.run import serve as serve
    from gesso.serving.settings import Limits as Limits
    from gesso.serving.settings import Settings as Settings

_LAZY = {
    "create_app": "gesso.serving.app",
    "serve": "gesso.serving.run",
    "Settings": "gesso.serving.settings",
    "Limits": "gesso.serving.settings",
}
_EXTRA = {"fastapi": "fastapi", "starlette": "fastapi", "uvicorn": "uvicorn", "python_multipart": "python-multipart"}


def __getattr__(name: str) -> Any:
    """Import names on first use; MissingExtra if the web libraries are not installed."""
    if name not in _LAZY:
        raise AttributeError(f"module 'gesso.serving' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in _EXTRA:
            raise MissingExtra(_EXTRA[package], "studio", purpose="serving") from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
