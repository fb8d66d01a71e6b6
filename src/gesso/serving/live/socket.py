"""The live socket: edits in, pictures out. Every commit is logged in order; only the newest edit is painted.

client: {"type": "edit", "seq", "parent", "edit", "commit", "client"} · {"type": "show", "seq", "node"} · {"type": "want", "outputs",
"max_side", "view"} · {"type": "stop"}: what is being made is wanted no more. A parent of null is where this socket is; it may also be
the `client` key of an earlier edit. Seqs only grow. With a view [left, top, right, bottom] in the picture's own pixels, that part is
sent first, at most `max_side` long, and then the whole, at most OVERVIEW long; without one, the whole alone.
server: {"type": "node", "seq", "node", "missing"} once it is on disk · {"type": "frame", …} with the PNG of `box` within the `view`
(null: the whole), which is shown `size` large · {"type": "notes", "seq", "node", "notes"}: what there is to say about a finished picture,
where that is not what was said of the last · {"type": "follows", "seq", "node", "num", "pieces", "box", "format"} with a small PNG (see
`follow.Followers`): pieces that a commit's finished picture shows in a mark's colour though nobody marked them, and did not before ·
{"type": "progress", "seq", "step", "num_steps"} · {"type": "stopped"} · {"type": "error", "seq", "what", "where", "fix"}.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from gesso.errors import GessoError, Stopped
from gesso.number import whole
from gesso.request import Request
from gesso.serving.live.new_followers import FollowMask, new_followers, follow_mask
from gesso.serving.live.frame import pack, unpack
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.live.viewport import Viewport, parse_view
from gesso.serving.render.outputs import Pictures, first_picture, medium_of, pictures_of
from gesso.serving.http_errors import ServerBusy, HttpError, TooManyRequests, internal_error, error_json
from gesso.serving.services import Services
from gesso.serving.http.routes import Routes
from gesso.serving.live.frame_sender import FrameSender, RenderTarget
from gesso.steering.session import Node

PATIENCE = 0.25  # seconds for which newer edits may push older work aside before one is let to its end
LONG = 1.0  # seconds: work that takes longer is always pushed aside; its steps are shown
PREVIEW_EVERY = 0.1  # seconds
REST = 0.25  # seconds that the hand rests on a mark before the networks look at what is not yet meant
MOST_WAITING = 512  # messages read and not yet looked at
MOST_HELD = 16 * 2**20  # bytes of them, unless it is one: as Python's objects they are two to three times that
LARGE = 2**16
REMEMBERED = 1000  # keys of clients
MOST_SEQ = 2**53 - 1


class LoggedNode(NamedTuple):
    """A node that is on the disk, what it lacks, and where it lacks nothing what it asks for."""

    node: Node
    missing: tuple[str, ...]
    request: Request | None


def register(routes: Routes, services: Services) -> None:
    """The socket over which people draw."""

    async def live(socket: WebSocket) -> None:
        owner = identity_of(socket).owner
        await socket.accept()
        if services.sockets[owner] >= services.settings.limits.sockets_each:
            error = TooManyRequests("you have many drawings open already", fix="close one", retry_after=5)
            await socket.send_bytes(pack({"type": "error", "seq": None, **error_json(error)}))
            await socket.close(1013)
            return
        services.sockets[owner] += 1
        try:
            await LiveConnection(services, socket, owner, socket.query_params.get("session", "")).run()
        finally:
            services.sockets[owner] -= 1

    routes.socket("/api/live", who=TOKEN)(live)
    services.metrics.gauge("sockets", lambda: sum(services.sockets.values()))


class LiveConnection:
    """One socket: a reader, one who logs edits in order, and one who paints the newest."""

    def __init__(self, services: Services, socket: WebSocket, owner: str, session: str) -> None:
        self.services, self.socket, self.owner, self.session = services, socket, owner, session
        self.inbox: deque[tuple[dict[str, Any], int]] = deque()  # messages and how large they came
        self.held = 0  # bytes in it
        self.arrived, self.emptied, self.wanting = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.seq, self.current = -1, ""
        self.by_client: OrderedDict[str, str] = OrderedDict()
        self.wanted: RenderTarget | None = None
        self.painted: RenderTarget | None = None
        self.drafted: RenderTarget | None = None  # what is only tried, and was shown as its draft
        self.pushed_since: float | None = None  # when work was first given up since a picture was finished
        self.usual = 0.0  # seconds that the last finished picture took
        self.pictures: dict[tuple[str, int], np.ndarray] = {}  # of what is painted, to be looked at elsewhere
        self.noted: list[dict[str, Any]] = []  # what was said of what is painted
        self.followed: FollowMask | None = None  # what followed in the last finished picture of a node

    async def run(self) -> None:
        try:
            session = await asyncio.to_thread(self.services.sessions.session, self.owner, self.session)
            card = await asyncio.to_thread(self.services.catalogue.card, session.recipe)
        except GessoError as error:
            await self.socket.send_bytes(pack({"type": "error", "seq": None, **error_json(error)}))
            await self.socket.close(4404)
            return
        self.card, self.current, look = card, session.head, Viewport(tuple(filter(None, [first_picture(card)])))
        self.sender = FrameSender(self.socket, card, look, self.services.metrics, lambda: self.wanted)
        tasks = [asyncio.create_task(one()) for one in (self.read, self.take, self.paint)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                ended = None if task.cancelled() else task.exception()
                if ended is not None and not isinstance(ended, (WebSocketDisconnect, RuntimeError)):
                    internal_error(ended)
            with contextlib.suppress(Exception):
                await self.socket.close()

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        await self.sender.send(header, payload)

    async def complain(self, seq: Any, error: BaseException) -> None:
        shown = error if isinstance(error, GessoError) else internal_error(error)
        self.services.metrics.increment("live_errors")
        retry = {"retry_after": shown.retry_after} if isinstance(shown, HttpError) and shown.retry_after else {}
        await self.send({"type": "error", "seq": seq if isinstance(seq, int) else None, **error_json(shown), **retry})

    # Reading

    async def read(self) -> None:
        """Messages into the inbox, not faster than is agreed."""
        second, num = time.monotonic(), 0
        while True:
            data = await self._next()
            now = time.monotonic()
            if now - second >= 1:
                second, num = now, 0
            num += 1
            if num > self.services.settings.limits.messages_a_second:
                await asyncio.sleep(max(0.0, 1 - (now - second)))
            try:  # parsing what is large takes its time, which others' messages have meanwhile
                header, payload = await asyncio.to_thread(unpack, data) if len(data) > LARGE else unpack(data)
                if payload:
                    raise GessoError("carries a payload, which is not read here", where="message", fix="POST /api/uploads takes pictures")
            except GessoError as error:
                await self.complain(None, error)
                continue
            while len(self.inbox) >= MOST_WAITING or (self.inbox and self.held + len(data) > MOST_HELD):
                self.emptied.clear()
                await self.emptied.wait()
            self.inbox.append((header, len(data)))
            self.held += len(data)
            self.arrived.set()

    async def _next(self) -> bytes:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        data: bytes | None = message.get("bytes")
        if data is None:
            data = (message.get("text") or "").encode()
            data = len(data).to_bytes(4, "little") + data  # a text is a header without a payload
        if len(data) > self.services.settings.limits.message_bytes:
            await self.complain(None, GessoError("the message is too large", where="message", fix="POST /api/uploads takes pictures"))
            raise WebSocketDisconnect(1009)
        return data

    # Logging

    async def take(self) -> None:
        """Messages in their order: each commit to the disk, of previews only the newest."""
        while True:
            while not self.inbox:
                self.arrived.clear()
                await self.arrived.wait()
            message, size = self.inbox.popleft()
            self.held -= size
            self.emptied.set()
            try:
                await self._take_one(message)
            except WebSocketDisconnect:
                raise
            except Exception as error:
                await self.complain(message.get("seq"), error)

    async def _take_one(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "want":
            self._set_look(message)
            return
        if kind == "stop":
            self.wanted = self.painted
            await self.send({"type": "stopped", "seq": self.seq})
            return
        if kind not in ("edit", "show"):
            raise GessoError(f"there is no message {str(kind)[:40]!r}", where="type", fix="edit, show, want or stop")
        seq = message.get("seq")
        if type(seq) is not int or not self.seq < seq <= MOST_SEQ:
            raise GessoError("seq must be a whole number above those before", where="seq", fix=f"{self.seq + 1} or more")
        self.seq = seq
        if kind == "show":
            await self._go(seq, message)
        elif message.get("commit") is True:
            await self._commit(seq, message)
        elif not any(later.get("type") in ("edit", "show") for later, _ in self.inbox):
            await self._try(seq, message)

    async def _go(self, seq: int, message: dict[str, Any]) -> None:
        node = self._node(message.get("node"))

        def show() -> LoggedNode:
            self.services.sessions.show(self.owner, self.session, node)
            return self._logged(node)

        self.current, logged = node, await asyncio.to_thread(show)
        self.followed = None
        await self._tell(seq, logged)

    async def _commit(self, seq: int, message: dict[str, Any]) -> None:
        parent, client = self._node(message.get("parent")), message.get("client")

        def append() -> LoggedNode:
            edit = self.services.sanitizer.edit(self.owner, self.card, message.get("edit"))
            made.append(self.services.sessions.append(self.owner, self.session, parent, edit, client).id)
            return self._logged(made[0])

        made: list[str] = []
        try:  # in one go: each way to another thread and back may wait for the one that paints
            logged = await asyncio.to_thread(append)
        finally:
            for node in made:
                self._stands(node, client)
        await self._tell(seq, logged, grown=True)

    def _stands(self, node: str, client: Any) -> None:
        """What is made next grows from it, whatever becomes of its picture."""
        self.current = node
        if isinstance(client, str):
            self.by_client[client] = node
            while len(self.by_client) > REMEMBERED:
                self.by_client.popitem(last=False)
        self.services.metrics.increment("live_commits")

    async def _try(self, seq: int, message: dict[str, Any]) -> None:
        parent = self._node(message.get("parent"))

        def tried() -> Request:
            edit = self.services.sanitizer.edit(self.owner, self.card, message.get("edit"))
            return self.services.sessions.tried(self.owner, self.session, parent, edit)

        self._want(RenderTarget(seq, None, await asyncio.to_thread(tried)))

    def _logged(self, node: str) -> LoggedNode:
        store = self.services.sessions
        missing = store.missing(self.owner, self.session, node)
        request = None if missing else store.request(self.owner, self.session, node)
        return LoggedNode(store.node(self.owner, self.session, node), missing, request)

    async def _tell(self, seq: int, logged: LoggedNode, *, grown: bool = False) -> None:
        """Say that a node is on disk, and paint it where it can be painted."""
        await self.send({"type": "node", "seq": seq, "node": logged.node.model_dump(mode="json"), "missing": list(logged.missing)})
        if logged.request is not None:
            self._want(RenderTarget(seq, logged.node.id, logged.request, grown))

    def _node(self, given: Any) -> str:
        if given is None:
            return self.current
        if not isinstance(given, str):
            raise GessoError("is no node's id", where="parent", fix="an id, a client's key, or null")
        return self.by_client.get(given, given)

    def _set_look(self, message: dict[str, Any]) -> None:
        look = self.sender.look
        outputs, side = message.get("outputs", list(look.outputs)), message.get("max_side", look.max_side)
        if not isinstance(outputs, list) or len(outputs) > 8 or not all(isinstance(one, str) for one in outputs):
            raise GessoError("is a list of up to 8 names", where="outputs")
        side = whole(side, where="max_side", low=16, high=2**15)
        for name in outputs:
            medium_of(self.card, name)
        self.sender.turn(Viewport(tuple(dict.fromkeys(outputs)), side, parse_view(message.get("view", look.view))))
        if self.wanted is not None:
            if look.outputs != self.sender.look.outputs:
                self._want(RenderTarget(self.wanted.seq, self.wanted.node, self.wanted.request))
            self.wanting.set()

    # Painting

    def _want(self, wanted: RenderTarget) -> None:
        self.wanted = wanted
        self.wanting.set()

    async def paint(self) -> None:
        """One picture at a time; the work takes the newest edit when its turn comes, not when it was queued."""
        loop = asyncio.get_running_loop()
        while True:
            await self.wanting.wait()
            self.wanting.clear()
            if self.wanted is self.painted:  # its turn came late, and it took the newest already; or it is looked at elsewhere
                if self.wanted is not None and self.sender.looked is not self.sender.look:
                    await self._show(self.wanted, self.pictures, {})
                continue
            taken: list[RenderTarget] = []
            try:
                work = partial(self._work, taken, loop)
                ticket = self.services.renderer.submit(self.owner, ("live", id(self)), work)
            except (TooManyRequests, ServerBusy) as error:
                await self.complain(self.seq, error)
                await asyncio.sleep(error.retry_after or 1)
                self.wanting.set()
                continue
            try:
                wanted, looked, pictures, ms, notes, follow = await asyncio.wrap_future(ticket.future)
            except Stopped:
                if self.wanted is self.painted:
                    self.pushed_since = None
                elif self.wanted is self.drafted:
                    loop.call_later(REST, self.wanting.set)
                continue
            except Exception as error:
                self.painted, self.pictures = taken[-1] if taken else self.wanted, {}
                await self.complain(self.painted.seq if self.painted else self.seq, error)
                continue
            finally:
                ticket.stop()
            self.painted, self.pictures = wanted, pictures
            if notes != self.noted:
                self.noted = notes
                await self.send({"type": "notes", "seq": wanted.seq, "node": wanted.node, "notes": notes})
            if looked.outputs == self.sender.look.outputs:
                await self._show(wanted, pictures, ms)
            if follow is not None and wanted.node is not None:
                await self._tell_followers(wanted, follow)
            self.pushed_since, self.usual = None, ms["render"] / 1000

    def _work(self, taken: list[RenderTarget], loop: asyncio.AbstractEventLoop, stopped: Callable[[], bool]) -> Any:
        """In the renderer's thread: the pixels of what is wanted now."""
        wanted, look = self.wanted, self.sender.look
        if wanted is None:
            raise Stopped
        taken.append(wanted)
        began = last_preview = time.perf_counter()

        def stale() -> bool:
            if self.wanted is wanted:
                return bool(stopped())
            now = time.monotonic()
            if self.usual > LONG or self.pushed_since is None or now - self.pushed_since < PATIENCE:
                self.pushed_since = self.pushed_since or now
                return True
            return bool(stopped())

        def on_output(output: Any) -> None:
            nonlocal last_preview
            now = time.perf_counter()
            if now - last_preview >= PREVIEW_EVERY and not loop.is_closed():
                last_preview = now
                asyncio.run_coroutine_threadsafe(self.sender.preview(wanted, look, output), loop)

        def spent() -> dict[str, float]:
            return {"wait": 1000 * (began - wanted.since), "render": 1000 * (time.perf_counter() - began)}

        def on_draft(result: Any) -> None:
            if not stale() and not loop.is_closed() and self.drafted is not wanted:
                asyncio.run_coroutine_threadsafe(self.sender.draft(wanted, look, pictures_of(result, look.outputs), spent()), loop)
                if wanted.node is None:  # while the hand moves, its marks are enough
                    self.drafted = wanted
                    raise Stopped

        result = self.services.render_work(self.owner, wanted.request, ("session", self.session), on_output, on_draft)(stale)
        ms = spent()
        return wanted, look, pictures_of(result, look.outputs), ms, result.said, follow_mask(result)

    async def _show(self, wanted: RenderTarget, pictures: Pictures, ms: dict[str, float]) -> None:
        """Finished pictures; of a node that is logged, a small one stays on the disk."""
        await self.sender.finished(wanted, pictures, ms)
        small = pictures.get((first_picture(self.card) or "", 0))
        if wanted.node is not None and small is not None:
            keep = self.services.thumbnails.put
            asyncio.get_running_loop().run_in_executor(None, keep, self.owner, self.session, wanted.node, small)

    async def _tell_followers(self, wanted: RenderTarget, now: FollowMask) -> None:
        """What follows since the last finished picture, where a commit made it and nothing newer is wanted."""
        before, self.followed = self.followed, now
        if before is None or now.mask is None or not wanted.grown or self.wanted is not wanted:
            return
        found = await asyncio.to_thread(new_followers, before, now)
        if found is not None and self.wanted is wanted:
            await self.send({"type": "follows", "seq": wanted.seq, "node": wanted.node, **found.header()}, found.png())
