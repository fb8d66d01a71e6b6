"""Runs a server. The port is bound first, so that the allowed addresses, Host and Origin are known exactly."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import uvicorn

from gesso.errors import GessoError
from gesso.serving.settings import Settings

NEXT_PORTS = 20
MOST_CONNECTIONS = 2000  # beyond these uvicorn answers 503; below them the guard does, with a reason and Retry-After
SPARE_FILES = 500


def serve(
    settings: Settings | None = None, *, create: Callable[[Settings], Any] | None = None, on_start: Callable[[str], None] | None = None
) -> None:
    """Serve until Ctrl-C. `create(settings)` makes the application (default: `create_app`); `on_start` receives the link to open.

    If the port is taken, the next free one of the following twenty is used.
    """
    from gesso.serving.app import create_app

    settings = settings or Settings()
    allow_files(MOST_CONNECTIONS + SPARE_FILES)
    listener = bind(settings)
    settings = replace(settings, port=listener.getsockname()[1])
    app = (create or create_app)(settings)
    app.state.services.home_lock.acquire()  # before the link is printed
    if on_start is not None:
        on_start(app.state.services.access.link(next(iter(settings.tokens))))
    uvicorn.Server(configuration(app, settings)).run(sockets=[listener])


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """Uvicorn's configuration: proxy headers are ignored, no version is sent, and addresses, which may hold keys, are not logged."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ws_max_size=settings.limits.message_bytes,
        ws_max_queue=64,
        ws_per_message_deflate=False,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=3,
        h11_max_incomplete_event_size=2**16,
    )


def allow_files(num: int) -> None:
    """Raise the limit of open files to `num`, or as far as the system allows."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = num if hard == resource.RLIM_INFINITY else min(num, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(settings: Settings) -> socket.socket:
    """A listening socket at the port of the settings, or at the next free one."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in range(settings.port, min(settings.port + NEXT_PORTS, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
            listener.listen(128)  # connections made before the start is complete wait in the backlog
        except OSError:
            listener.close()
            continue
        listener.set_inheritable(False)
        return listener
    raise GessoError(f"the ports from {settings.port} on are taken", where="port", fix="choose another: --port 9000")
