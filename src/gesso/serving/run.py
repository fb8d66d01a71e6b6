"""Running a server: the port is bound first, so that addresses, Host and Origin are exact."""

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
MOST_CONNECTIONS = 2000  # open at once; beyond them uvicorn itself says 503, below them the guard does, with a reason and Retry-After
SPARE_FILES = 500


def serve(
    settings: Settings | None = None, *, create: Callable[[Settings], Any] | None = None, on_start: Callable[[str], None] | None = None
) -> None:
    """Serve until Ctrl-C. `create(settings)` makes the application (by default `create_app`); `on_start` is given the link to open.

    Where the port is taken the next free one of the following twenty is used.
    """
    from gesso.serving.app import create_app

    settings = settings or Settings()
    allow_files(MOST_CONNECTIONS + SPARE_FILES)
    listener = bind(settings)
    settings = replace(settings, port=listener.getsockname()[1])
    app = (create or create_app)(settings)
    app.state.services.home_lock.acquire()  # before anybody is sent there
    if on_start is not None:
        on_start(app.state.services.access.link(next(iter(settings.tokens))))
    uvicorn.Server(configuration(app, settings)).run(sockets=[listener])


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """How uvicorn is to run the application: no proxy's word is taken, no version is told, addresses (a link's key) are not logged."""
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
    """So many descriptors for this process, or as many as the system lets it have."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = num if hard == resource.RLIM_INFINITY else min(num, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(settings: Settings) -> socket.socket:
    """A listening socket at the settings' port, or the next that is free."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for port in range(settings.port, min(settings.port + NEXT_PORTS, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, port))
            listener.listen(128)  # whoever follows the link before all is up waits, and is not turned away
        except OSError:
            listener.close()
            continue
        listener.set_inheritable(False)
        return listener
    raise GessoError(f"the ports from {settings.port} on are taken", where="port", fix="choose another: --port 9000")
