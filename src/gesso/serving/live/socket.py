"""The live WebSocket: edits in, pictures out. Every commit is stored in order; only the newest edit is rendered.

client: {"type": "edit", "seq", "parent", "edit", "commit", "client"} · {"type": "show", "seq", "node"} · {"type": "want", "outputs",
"max_side", "view"} · {"type": "stop"}: cancel the current render. A parent of null means this socket's current node; it may also be
the `client` key of an earlier edit. Each seq must be greater than the last. With a view [left, top, right, bottom] in pixels of the
picture, that part is sent first, its sides at most `max_side`, then the whole, its sides at most OVERVIEW; without one, the whole alone.
server: {"type": "node", "seq", "node", "missing"} once it is on disk · {"type": "frame", …} with the PNG of `box` within the `view`
(null: the whole), which is displayed at `size` · {"type": "notes", "seq", "node", "notes"}: notes on a finished picture, if they differ
from the last · {"type": "follows", "seq", "node", "num", "pieces", "box", "format"} with a small PNG (see `followers.Followers`): regions
that a commit changed after an input which was given elsewhere ·
{"type": "progress", "seq", "step", "num_steps"} · {"type": "stopped"} · {"type": "error", "seq", "what", "where", "fix"}.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from gesso.errors import GessoError, Stopped
from gesso.number import whole
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import Routes
from gesso.serving.http_errors import HttpError, ServerBusy, TooManyRequests, error_json, internal_error
from gesso.serving.live.followers import follow_mask
from gesso.serving.live.frame import pack, unpack
from gesso.serving.live.frame_sender import FrameSender, RenderTarget
from gesso.serving.live.viewport import Viewport, parse_view
from gesso.serving.render.outputs import Pictures, medium_of, pictures_of, shown_output
from gesso.serving.render.renderer import RenderJob, RenderTicket
from gesso.serving.services import Services

if TYPE_CHECKING:
    from gesso.verbs.result import Result

INTERRUPT_SECONDS = 0.25  # for which newer edits may cancel renders before one must finish
LONG_RENDER = 1.0  # seconds: longer renders may always be cancelled, as their steps are previewed
PREVIEW_EVERY = 0.1  # seconds between two previews
REST_SECONDS = 0.25  # pause after the last uncommitted edit before the networks run for it
MOST_INBOX_MESSAGES = 512  # received, not yet processed
MOST_INBOX_BYTES = 16 * 2**20  # unless it is a single message; as Python objects they take two to three times as much
LARGE_MESSAGE = 2**16  # bytes: larger messages are parsed in a thread
MOST_CLIENT_KEYS = 1000  # remembered for `parent`
MOST_SEQ = 2**53 - 1


def register(routes: Routes, services: Services) -> None:
    """Register the live WebSocket."""

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
    """One socket, served by three tasks: read messages, process them in order, render the newest target."""

    def __init__(self, services: Services, socket: WebSocket, owner: str, session: str) -> None:
        self.services, self.socket, self.owner, self.session = services, socket, owner, session
        self.inbox: deque[tuple[dict[str, Any], int]] = deque()  # messages and their sizes in bytes
        self.inbox_bytes = 0
        self.arrived, self.drained, self.target_changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.seq, self.current = -1, ""
        self.node_of_client_key: OrderedDict[str, str] = OrderedDict()
        self.target: RenderTarget | None = None
        self.rendering: RenderTarget | None = None  # by the newest ticket
        self.rendered: RenderTarget | None = None
        self.ticket: RenderTicket | None = None
        self.queueing, self.closed = threading.Lock(), False
        self.drafted: RenderTarget | None = None  # an uncommitted edit whose draft was sent
        self.interrupted_since: float | None = None  # when a render was first cancelled since the last finished picture
        self.last_render_seconds = 0.0
        self.pictures: Pictures = {}  # of `rendered`, for other viewports

    async def run(self) -> None:
        try:
            session = await asyncio.to_thread(self.services.sessions.session, self.owner, self.session)
            card = await asyncio.to_thread(self.services.sessions.session_card, self.owner, session)
        except GessoError as error:
            await self.socket.send_bytes(pack({"type": "error", "seq": None, **error_json(error)}))
            await self.socket.close(4404)
            return
        self.card, self.current, viewport = card, session.head, Viewport(tuple(filter(None, [shown_output(card)])))
        self.sender = FrameSender(self.socket, card, viewport, self.services.metrics, lambda: self.target)
        tasks = [asyncio.create_task(one()) for one in (self.read_messages, self.process_messages, self.render_newest)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                ended = None if task.cancelled() else task.exception()
                if ended is not None and not isinstance(ended, (WebSocketDisconnect, RuntimeError)):
                    internal_error(ended)
            with contextlib.suppress(Exception):
                await self.socket.close()

    async def send_error(self, seq: Any, error: BaseException) -> None:
        shown = error if isinstance(error, GessoError) else internal_error(error)
        self.services.metrics.increment("live_errors")
        retry = {"retry_after": shown.retry_after} if isinstance(shown, HttpError) and shown.retry_after else {}
        await self.sender.send({"type": "error", "seq": seq if isinstance(seq, int) else None, **error_json(shown), **retry})

    # Reading messages

    async def read_messages(self) -> None:
        """Put messages into the inbox, at most `messages_a_second`."""
        second, num = time.monotonic(), 0
        while True:
            data = await self._receive()
            now = time.monotonic()
            if now - second >= 1:
                second, num = now, 0
            num += 1
            if num > self.services.settings.limits.messages_a_second:
                await asyncio.sleep(max(0.0, 1 - (now - second)))
            try:  # large messages are parsed in a thread, so that other sockets are served meanwhile
                header, payload = await asyncio.to_thread(unpack, data) if len(data) > LARGE_MESSAGE else unpack(data)
                if payload:
                    raise GessoError("a payload is not accepted here", where="message", fix="POST /api/uploads takes pictures")
            except GessoError as error:
                await self.send_error(None, error)
                continue
            while len(self.inbox) >= MOST_INBOX_MESSAGES or (self.inbox and self.inbox_bytes + len(data) > MOST_INBOX_BYTES):
                self.drained.clear()
                await self.drained.wait()
            self.inbox.append((header, len(data)))
            self.inbox_bytes += len(data)
            self.arrived.set()

    async def _receive(self) -> bytes:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        data: bytes | None = message.get("bytes")
        if data is None:
            data = (message.get("text") or "").encode()
            data = len(data).to_bytes(4, "little") + data  # a text frame is a header without a payload
        if len(data) > self.services.settings.limits.message_bytes:
            await self.send_error(None, GessoError("the message is too large", where="message", fix="POST /api/uploads takes pictures"))
            raise WebSocketDisconnect(1009)
        return data

    # Processing messages

    async def process_messages(self) -> None:
        """Process messages in order: store each commit; of uncommitted edits render only the newest."""
        while True:
            while not self.inbox:
                self.arrived.clear()
                await self.arrived.wait()
            message, size = self.inbox.popleft()
            self.inbox_bytes -= size
            self.drained.set()
            try:
                await self._process(message)
            except WebSocketDisconnect:
                raise
            except Exception as error:
                await self.send_error(message.get("seq"), error)

    async def _process(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "want":
            self._set_viewport(message)
            return
        if kind == "stop":
            self.target = self.rendered
            await self.sender.send({"type": "stopped", "seq": self.seq})
            return
        if kind not in ("edit", "show"):
            raise GessoError(f"there is no message {str(kind)[:40]!r}", where="type", fix="edit, show, want or stop")
        seq = message.get("seq")
        if type(seq) is not int or not self.seq < seq <= MOST_SEQ:
            raise GessoError("seq must be a whole number greater than the last", where="seq", fix=f"{self.seq + 1} or more")
        self.seq = seq
        if kind == "show":
            await self._show_node(seq, message)
        elif message.get("commit") is True:
            await self._commit(seq, message)
        elif not any(later.get("type") in ("edit", "show") for later, _ in self.inbox):
            await self._preview_edit(seq, message)

    async def _show_node(self, seq: int, message: dict[str, Any]) -> None:
        node = self._resolve_node(message.get("node"))

        def show() -> None:
            self.services.sessions.show(self.owner, self.session, node)
            self.current, self.sender.last_follow_mask = node, None
            self._announce_node(seq, node)

        await self._run_in_pool(show)

    async def _commit(self, seq: int, message: dict[str, Any]) -> None:
        parent, client = self._resolve_node(message.get("parent")), message.get("client")

        def append() -> None:
            edit = self.services.sanitizer.sanitize_edit(self.owner, self.card, message.get("edit"))
            node = self.services.sessions.append(self.owner, self.session, parent, edit, client).id
            self._advance(node, client)
            self._announce_node(seq, node, committed=True)

        await self._run_in_pool(append)

    async def _preview_edit(self, seq: int, message: dict[str, Any]) -> None:
        parent = self._resolve_node(message.get("parent"))

        def preview() -> None:
            edit = self.services.sanitizer.sanitize_edit(self.owner, self.card, message.get("edit"))
            self._request_render(RenderTarget(seq, None, self.services.sessions.tried(self.owner, self.session, parent, edit)))

        await self._run_in_pool(preview)

    async def _run_in_pool(self, work: Callable[[], None]) -> None:
        """Run work on the store in the pool, then send what it posted. The renders it requests do not wait for the event loop.

        Not in the render thread: an edit would be acknowledged only after the render of another user.
        """
        await asyncio.to_thread(work)
        self.target_changed.set()
        await self.sender.flush()

    def _advance(self, node: str, client: Any) -> None:
        """Make a stored node the current one, even if rendering it fails later."""
        self.current = node
        if isinstance(client, str):
            self.node_of_client_key[client] = node
            while len(self.node_of_client_key) > MOST_CLIENT_KEYS:
                self.node_of_client_key.popitem(last=False)
        self.services.metrics.increment("live_commits")

    def _announce_node(self, seq: int, node: str, *, committed: bool = False) -> None:
        """Post that a node is stored, and render it if its request is complete."""
        store = self.services.sessions
        missing = store.missing(self.owner, self.session, node)
        request = None if missing else store.request(self.owner, self.session, node)
        stored = store.node(self.owner, self.session, node)
        self.sender.post({"type": "node", "seq": seq, "node": stored.model_dump(mode="json"), "missing": list(missing)})
        if request is not None:
            self._request_render(RenderTarget(seq, node, request, committed))

    def _resolve_node(self, given: Any) -> str:
        if given is None:
            return self.current
        if not isinstance(given, str):
            raise GessoError("is not the id of a node", where="parent", fix="an id, a client's key, or null")
        return self.node_of_client_key.get(given, given)

    def _set_viewport(self, message: dict[str, Any]) -> None:
        viewport = self.sender.viewport
        outputs, side = message.get("outputs", list(viewport.outputs)), message.get("max_side", viewport.max_side)
        if not isinstance(outputs, list) or len(outputs) > 8 or not all(isinstance(one, str) for one in outputs):
            raise GessoError("must be a list of up to 8 names", where="outputs")
        side = whole(side, where="max_side", low=16, high=2**15)
        for name in outputs:
            medium_of(self.card, name)
        self.sender.set_viewport(Viewport(tuple(dict.fromkeys(outputs)), side, parse_view(message.get("view", viewport.view))))
        if self.target is not None:
            if viewport.outputs != self.sender.viewport.outputs:
                self._request_render(RenderTarget(self.target.seq, self.target.node, self.target.request))
            self.target_changed.set()

    # Rendering

    def _request_render(self, target: RenderTarget) -> None:
        """Queue a render of the target; may be called from any thread. `target_changed` must be set after it."""
        self.target = target
        with contextlib.suppress(Stopped, TooManyRequests, ServerBusy):  # `render_newest` tries again
            self._queue_render()

    def _queue_render(self) -> RenderTicket:
        """The ticket of this socket: at most one is queued or running, and it renders the newest target when its turn comes."""
        with self.queueing:
            if self.closed:
                raise Stopped
            if self.ticket is None:
                self.ticket = self.services.renderer.submit(self.owner, ("live", id(self)), self._render)
            return self.ticket

    def _close(self) -> None:
        with self.queueing:
            self.closed = True
            if self.ticket is not None:
                self.ticket.stop()

    async def render_newest(self) -> None:
        """Wait for one render at a time, send its messages, and queue the next if the target has changed."""
        while True:
            await self.target_changed.wait()
            self.target_changed.clear()
            if self.ticket is None and self.target is self.rendered:  # rendered already, or only the viewport changed
                if self.target is not None and self.sender.finished_viewport is not self.sender.viewport:
                    await self._send_viewport()
                continue
            try:
                ticket = self._queue_render()
            except (TooManyRequests, ServerBusy) as error:
                await self.send_error(self.seq, error)
                await asyncio.sleep(error.retry_after or 1)
                self.target_changed.set()
                continue
            try:
                self.rendered, self.pictures, seconds = await asyncio.wrap_future(ticket.future)
            except Stopped:
                if self.target is self.rendered:
                    self.interrupted_since = None
                elif self.target is self.drafted:
                    asyncio.get_running_loop().call_later(REST_SECONDS, self.target_changed.set)
            except Exception as error:
                self.rendered, self.pictures = self.rendering or self.target, {}
                await self.send_error(self.rendered.seq if self.rendered else self.seq, error)
            else:
                await self.sender.flush()
                self._store_thumbnail()
                self.interrupted_since, self.last_render_seconds = None, seconds
            await self.sender.flush()  # a slow client gets few drafts
            self.ticket = None
            if self.target is not self.rendered and self.target is not self.drafted:
                self.target_changed.set()

    def _render(self, stopped: Callable[[], bool]) -> tuple[RenderTarget, Pictures, float]:
        """Render the newest target and post its messages, in the render thread. Gives the target, its pictures and the seconds."""
        target, viewport = self.target, self.sender.viewport
        if target is None or target is self.rendered:
            raise Stopped
        self.rendering = target
        began = last_preview = time.perf_counter()

        def stale() -> bool:
            if self.target is target:
                return bool(stopped())
            now = time.monotonic()
            if self.last_render_seconds > LONG_RENDER or self.interrupted_since is None or now - self.interrupted_since < INTERRUPT_SECONDS:
                self.interrupted_since = self.interrupted_since or now
                return True
            return bool(stopped())

        def on_output(output: Any) -> None:
            nonlocal last_preview
            now = time.perf_counter()
            if now - last_preview >= PREVIEW_EVERY:
                last_preview = now
                self.sender.post_preview(target, viewport, output)

        def spent() -> dict[str, float]:
            return {"wait": 1000 * (began - target.since), "render": 1000 * (time.perf_counter() - began)}

        def on_draft(result: Result) -> None:
            if not stale() and self.drafted is not target:
                self.sender.post_draft(target, viewport, pictures_of(result, viewport.outputs), spent())
                if target.node is None:  # while the pointer moves, the draft is enough
                    self.drafted = target
                    raise Stopped

        job = RenderJob(self.owner, target.request, ("session", self.session), on_output, on_draft)
        result = self.services.renderer.render(job, stale)
        ms, pictures = spent(), pictures_of(result, viewport.outputs)
        self.sender.post_notes(target, result.note_texts)
        if viewport.outputs == self.sender.viewport.outputs:
            self.sender.post_finished(target, pictures, ms)
        if target.node is not None:
            self.sender.post_followers(target, follow_mask(result))
        return target, pictures, ms["render"] / 1000

    async def _send_viewport(self) -> None:
        """Send the rendered pictures again, for another viewport."""
        assert self.rendered is not None
        await asyncio.to_thread(self.sender.post_finished, self.rendered, self.pictures, {})
        await self.sender.flush()
        self._store_thumbnail()

    def _store_thumbnail(self) -> None:
        """Store a thumbnail if the rendered target is a stored node."""
        small = self.pictures.get((shown_output(self.card) or "", 0))
        if self.rendered is not None and self.rendered.node is not None and small is not None:
            store = self.services.thumbnails.put
            asyncio.get_running_loop().run_in_executor(None, store, self.owner, self.session, self.rendered.node, small)
