"""ASGI middleware before all routes: checks Host, Origin, the identity, the route's policy, and the size of the body.

Local servers have been taken over through a single unprotected route, method or socket, so every request passes here, and the server
does not start if a route has no policy. Sources: Jupyter's checks against DNS rebinding; the Fetch standard's Origin and
Sec-Fetch-Site.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gesso.errors import GessoError
from gesso.serving.access.authenticator import Authenticator, Identity
from gesso.serving.http.metrics import Metrics
from gesso.serving.http_errors import (
    BodyTimeout,
    BodyTooLarge,
    Forbidden,
    HttpError,
    Misdirected,
    ServerBusy,
    TooManyRequests,
    Unauthorized,
    error_response,
    internal_error,
)
from gesso.serving.settings import Settings

OPEN, TOKEN = "open", "token"
SMALL = 2**20  # bytes: smaller bodies are accepted even if the memory limits are reached
SAFE = frozenset({"GET", "HEAD"})
ONCE = ("host", "origin", "authorization", "cookie", "content-length", "sec-fetch-site")


class Policy(NamedTuple):
    """Who may use a route (`open`: any client that passes the Host and Origin checks; `token`: an owner), and the largest body in bytes.

    A `streamed` body is written to the disk as it comes, so it does not count as memory.
    """

    who: str
    max_body: int = 0
    streamed: bool = False


NO_ROUTE = Policy(TOKEN)  # without a token, a missing route is not distinguishable from a protected one


class RequestGuard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, settings: Settings, access: Authenticator, policies: Policies, metrics: Metrics) -> None:
        self.app, self.access, self.policies, self.metrics = app, access, policies, metrics
        self.hosts, self.origins, self.pause = settings.hosts, settings.origins, settings.limits.body_pause
        self.headers, self.limits = response_headers(settings), settings.limits
        self.running: Counter[str | None] = Counter()  # concurrent requests by owner; None: without an identity
        self.body_bytes: Counter[str | None] = Counter()  # held by running requests, by owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.policies.check()
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in message.get("headers", ())}
                message["headers"] = [*message.get("headers", ()), *((k, v) for k, v in self.headers if k not in own)]
                self.metrics.count_response(scope, message["status"])
            await send(message)

        try:
            policy, headers = self._admit(scope)
            self._check_length(headers, policy)
            with self._count_running(scope) as owner, self._limit_bodies(owner) as count_bytes:
                await self.app(scope, self._bounded(receive, policy, count_bytes), send_safely)
        except Exception as error:
            refused = error if isinstance(error, GessoError) else internal_error(error)
            if started:  # part of the response was sent: only closing the connection shows that it is incomplete
                raise refused from None
            response = error_response(refused, like_openai=scope["path"].startswith("/v1/"))
            if isinstance(refused, BodyTooLarge | BodyTimeout):
                response.headers["Connection"] = "close"
            await response(scope, receive, send_safely)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._admit(scope)
        except GessoError:
            self.metrics.count_response(scope, 403)
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        await self.app(scope, receive, send)

    def _admit(self, scope: Scope) -> tuple[Policy, dict[str, str]]:
        """The route's policy and the headers; sets scope["state"]["identity"]. HttpError if the request is refused."""
        headers = _headers(scope)
        if headers.get("host", "").lower() not in self.hosts:
            raise Misdirected("this server does not go by that name", where="Host", fix="use the address that it printed when it started")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            raise Forbidden("pages of other sites may not use this server", where="Origin")
        policy = self.policies.of(scope)
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _is_visit(scope, headers, policy):
            raise Forbidden("pages of other sites may not use this server", where="Sec-Fetch-Site")
        identity = self.access.identify(headers)
        if policy.who != OPEN:
            self._check_identity(scope, identity, origin)
        scope.setdefault("state", {})["identity"] = identity
        return policy, headers

    def _check_identity(self, scope: Scope, identity: Identity | None, origin: str | None) -> None:
        if identity is None:
            raise Unauthorized(
                "this needs the server's token",
                where="Authorization",
                fix="open the link that was printed (gesso studio --link prints another), or send Authorization: Bearer …",
            )
        safe = scope["type"] == "http" and scope["method"] in SAFE
        if identity.by == "cookie" and origin is None and not safe:
            raise Forbidden(
                "a browser says where it comes from when it changes something", where="Origin", fix="send Authorization: Bearer …"
            )

    @contextmanager
    def _count_running(self, scope: Scope) -> Iterator[str | None]:
        """Count the request while it runs; ServerBusy or TooManyRequests if the limit is reached."""
        identity = scope["state"]["identity"]
        owner = identity.owner if identity else None
        if self.running.total() >= self.limits.requests:
            raise ServerBusy("the server has as much to do as it can", fix="try again in a moment", retry_after=1)
        if self.running[owner] >= self.limits.requests_each:
            raise TooManyRequests("you are asking for too much at once", fix="wait for some answers first", retry_after=1)
        self.running[owner] += 1
        try:
            yield owner
        finally:
            self.running[owner] -= 1
            if not self.running[owner]:
                del self.running[owner]

    @contextmanager
    def _limit_bodies(self, owner: str | None) -> Iterator[Callable[[int], None]]:
        """Gives a function that counts the bytes of a body and raises if all bodies, or the owner's, take too much memory."""
        own_bytes = 0

        def count_bytes(num_bytes: int) -> None:
            nonlocal own_bytes
            own_bytes += num_bytes
            self.body_bytes[owner] += num_bytes
            if own_bytes > SMALL and self.body_bytes[owner] > self.limits.body_bytes_each:
                raise TooManyRequests("you are giving too much at once", where="body", fix="one after the other", retry_after=2)
            if own_bytes > SMALL and self.body_bytes.total() > self.limits.body_bytes:
                raise ServerBusy(
                    "the server is given more at once than it can hold", where="body", fix="try again in a moment", retry_after=2
                )

        try:
            yield count_bytes
        finally:
            self.body_bytes[owner] -= own_bytes
            if not self.body_bytes[owner]:
                del self.body_bytes[owner]

    def _check_length(self, headers: dict[str, str], policy: Policy) -> None:
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise HttpError("is not a number", where="Content-Length")
        if int(length) > policy.max_body:
            raise _too_large(policy)

    def _bounded(self, receive: Receive, policy: Policy, count_bytes: Callable[[int], None]) -> Receive:
        total, whole = 0, False

        async def bounded() -> Message:
            nonlocal total, whole
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self.pause)
            except TimeoutError:
                raise BodyTimeout("the body did not come", where="body", fix="send it without pauses") from None
            if message["type"] == "http.request":
                total += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if total > policy.max_body:
                    raise _too_large(policy)
                if not policy.streamed:
                    count_bytes(len(message.get("body", b"")))
            return message

        return bounded


class Policies:
    """The policy of each route; `check` raises if a route has none."""

    def __init__(self, routes: list[BaseRoute]) -> None:
        self._routes, self._declared = routes, dict[int, Policy]()

    def declare(self, route: BaseRoute, policy: Policy) -> None:
        if policy.who not in (OPEN, TOKEN):
            raise GessoError(f"there is no policy {policy.who!r}", where=getattr(route, "path", None), fix=f"{OPEN} or {TOKEN}")
        self._declared[id(route)] = policy

    def check(self) -> None:
        undeclared = [str(getattr(route, "path", route)) for route in self._routes if id(route) not in self._declared]
        if undeclared:
            raise GessoError(
                "a route has no declared policy", where=", ".join(undeclared), fix="register it with Routes.http or Routes.socket"
            )

    def __iter__(self) -> Iterator[tuple[BaseRoute, Policy]]:
        self.check()
        return ((route, self._declared[id(route)]) for route in self._routes)

    def of(self, scope: Scope) -> Policy:
        """The policy of the route that will handle the request: the first full match."""
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL:
                if id(route) not in self._declared:
                    raise GessoError("this route has no declared policy", where=scope["path"])
                return self._declared[id(route)]
        return NO_ROUTE


def response_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Headers of every response: browsers may load, run, frame and connect to this server's own files only."""
    # A content security policy cannot name an IPv6 address; 'self' covers it.
    sockets = " ".join(sorted(origin.replace("http", "ws", 1) for origin in settings.origins if "[" not in origin))
    csp = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "media-src": "'self' blob:",
        "font-src": "'self'",
        "connect-src": f"'self' {sockets}",
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return [
        (b"content-security-policy", "; ".join(f"{k} {v}" for k, v in csp.items()).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        (b"cache-control", b"no-store"),
    ]


def identity_of(connection: Any) -> Identity:
    """The identity behind a request or socket of a `token` route."""
    identity: Identity | None = connection.scope["state"]["identity"]
    if identity is None:
        raise Unauthorized("this needs the server's token", where="Authorization")
    return identity


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").lower()
        if name in headers and name in ONCE:
            if name != "cookie":
                raise HttpError("this header is given twice", where=name.title())
            value = headers[name].encode("latin-1") + b"; " + value  # HTTP/2 may send it in parts
        headers[name] = value.decode("latin-1")
    return headers


def _is_visit(scope: Scope, headers: dict[str, str], policy: Policy) -> bool:
    """Whether the request is a top-level navigation from another site to an open page."""
    top = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return top and policy.who == OPEN and scope["type"] == "http" and scope["method"] == "GET"


def _too_large(policy: Policy) -> BodyTooLarge:
    if not policy.max_body:
        return BodyTooLarge("this address accepts no body", where="body")
    return BodyTooLarge(f"the body is larger than {policy.max_body / 1e6:.1f} MB", where="body", fix="send less")
