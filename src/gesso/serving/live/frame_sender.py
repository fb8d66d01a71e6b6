"""Sends pictures to one page: only the box that changed, the viewport before the overview, and never an older picture."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from starlette.websockets import WebSocket

from gesso.card import Card
from gesso.request import Request
from gesso.serving.http.metrics import Metrics
from gesso.serving.live.followers import FollowMask, new_followers
from gesso.serving.live.frame import Box, changed, pack, quick_png
from gesso.serving.live.viewport import OVERVIEW, Viewport
from gesso.serving.render.outputs import Pictures, medium_of, smaller


@dataclass(frozen=True)
class RenderTarget:
    """What to render: the request of an edit, stored as `node` or uncommitted (None). `committed`: a commit has just made the node."""

    seq: int
    node: str | None
    request: Request
    committed: bool = False
    since: float = field(default_factory=time.perf_counter)


class _Message(NamedTuple):
    """A packed message, and what to observe when it is sent: the histogram's name, and the start of the time."""

    data: bytes
    observed: tuple[str, float] | None = None


class FrameSender:
    """The sender of one socket. `newest` gives the current target.

    Methods that `post` may be called from any thread: they put messages into the outbox. The event loop sends them in that order in
    `flush`, which `flush_soon` starts from any thread.
    """

    def __init__(
        self, socket: WebSocket, card: Card, viewport: Viewport, metrics: Metrics, newest: Callable[[], RenderTarget | None]
    ) -> None:
        self._socket, self._card, self._metrics, self._newest = socket, card, metrics, newest
        self._loop, self._outbox, self._sending = asyncio.get_running_loop(), deque[_Message](), asyncio.Lock()
        self.viewport = self.finished_viewport = viewport  # now, and when a finished picture was last posted
        self._encoding = threading.Lock()  # a box depends on what was posted last, so frames are encoded and posted one by one
        self._finished = -1  # the seq of the newest target with a finished picture
        self._whole: RenderTarget | None = None  # the target of the last overview
        self._notes: list[dict[str, Any]] = []  # those posted last
        self.last_follow_mask: FollowMask | None = None  # of the last finished picture of a node
        self._shown_lock = threading.Lock()
        self._shown: dict[tuple[str, int, Box | None, int], np.ndarray] = {}  # last pixels posted, by output, index, part, longest side

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Post a message, and return when it is sent."""
        self.post(header, payload)
        await self.flush()

    async def flush(self) -> None:
        """Send the messages in the outbox."""
        async with self._sending:
            while self._outbox:
                message = self._outbox.popleft()
                await self._socket.send_bytes(message.data)
                if message.observed is not None:
                    name, since = message.observed
                    self._metrics.observe(name, time.perf_counter() - since)

    def flush_soon(self) -> None:
        """Have the event loop send the messages in the outbox."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self.flush(), self._loop)

    def post(self, header: dict[str, Any], payload: bytes = b"") -> None:
        self._outbox.append(_Message(pack(header, payload)))

    def set_viewport(self, viewport: Viewport) -> None:
        """Change the viewport, and forget the posted pixels that no longer serve as the base of a changed box."""
        with self._shown_lock:
            before, self.viewport = self.viewport, viewport
            if before.outputs != viewport.outputs or before.max_side != viewport.max_side or None in (before.view, viewport.view):
                self._shown.clear()
                self._whole = None
            else:  # only the view moved: the overview stays valid
                self._shown = {key: one for key, one in self._shown.items() if key[2] is None}

    def post_draft(self, target: RenderTarget, viewport: Viewport, pictures: Pictures, ms: dict[str, float]) -> None:
        """Post a draft: the user's marks on the last picture, before the networks run."""
        for (name, index), pixels in pictures.items():
            if viewport is self.viewport:
                self._post_frame(target, viewport, name, index, pixels, ms, final=False)
        self.flush_soon()

    def post_preview(self, target: RenderTarget, viewport: Viewport, output: Any) -> None:
        """Post a preview of a running render, unless the socket is busy or a newer target exists."""
        from gesso.verbs.generate import preview_of

        busy = self._sending.locked() or self._outbox
        if busy or viewport is not self.viewport or not viewport.outputs or self._newest() is not target:
            return
        self.post({"type": "progress", "seq": target.seq, "step": output.step, "num_steps": output.num_steps})
        pixels = preview_of(output)
        if pixels is not None:
            self._post_frame(target, viewport, viewport.outputs[0], 0, pixels, {}, final=False)
        self.flush_soon()

    def post_finished(self, target: RenderTarget, pictures: Pictures, ms: dict[str, float]) -> None:
        """Post finished pictures: the viewport, then the overview if the viewport is a part. The last ones wait for a flush."""
        viewport = self.finished_viewport = self.viewport
        self._finished = target.seq
        for (name, index), pixels in pictures.items():
            self._post_frame(target, viewport, name, index, pixels, ms, final=True)
        if viewport.view is None or self._whole is target:
            return
        self.flush_soon()
        for (name, index), pixels in pictures.items():
            if self._newest() is target and viewport.part(pixels.shape) is not None:
                self._post_frame(target, viewport, name, index, pixels, ms, final=True, whole=True)
        with self._shown_lock:
            if self._newest() is target and viewport is self.viewport:
                self._whole = target

    def post_notes(self, target: RenderTarget, notes: list[dict[str, Any]]) -> None:
        """Post the notes on a finished picture, if they differ from the last."""
        if notes != self._notes:
            self._notes = notes
            self.post({"type": "notes", "seq": target.seq, "node": target.node, "notes": notes})

    def post_followers(self, target: RenderTarget, now: FollowMask | None) -> None:
        """Post the regions that newly follow an input, if a commit caused them and no newer target waits; after the finished pictures."""
        if now is None:
            return
        before, self.last_follow_mask = self.last_follow_mask, now
        if before is None or now.mask is None or not target.committed or self._newest() is not target:
            return
        self.flush_soon()
        found = new_followers(before, now)
        if found is not None and self._newest() is target:
            self.post({"type": "follows", "seq": target.seq, "node": target.node, **found.header()}, found.png())

    def _post_frame(
        self,
        target: RenderTarget,
        viewport: Viewport,
        name: str,
        index: int,
        pixels: np.ndarray,
        ms: dict[str, float],
        *,
        final: bool,
        whole: bool = False,
    ) -> None:
        exact = not medium_of(self._card, name).startswith("picture")
        part = None if whole else viewport.part(pixels.shape)
        max_side = min(viewport.max_side, OVERVIEW) if viewport.view is not None and part is None else viewport.max_side
        left, top, right, bottom = part or (0, 0, pixels.shape[1], pixels.shape[0])
        key = name, index, part, max_side
        began = time.perf_counter()
        with self._encoding:
            if not final and target.seq <= self._finished:
                return
            small = smaller(pixels[top:bottom, left:right], max_side, exact=exact)
            box = changed(self._shown.get(key), small)
            data = quick_png(small, box)
            with self._shown_lock:
                if viewport.outputs == self.viewport.outputs and (part is None or viewport is self.viewport):
                    self._shown[key] = small
            header = {
                "type": "frame",
                "seq": target.seq,
                "node": target.node,
                "output": name,
                "index": index,
                "view": part and list(part),
                "box": list(box),
                "size": [small.shape[1], small.shape[0]],
                "full": [pixels.shape[1], pixels.shape[0]],
                "format": "png",
                "final": final,
                "ms": {k: round(v, 1) for k, v in (ms | {"encode": 1000 * (time.perf_counter() - began)}).items()},
            }
            observed = "edit_to_frame" if final else "edit_to_preview", target.since
            self._outbox.append(_Message(pack(header, data), observed))
