"""Sends pictures to one page: only the box that changed, the viewport before the overview, and never an older picture."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from gesso.card import Card
from gesso.errors import GessoError
from gesso.request import Request
from gesso.serving.http.metrics import Metrics
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


class FrameSender:
    """The sender of one socket. `newest` gives the current target."""

    def __init__(
        self, socket: WebSocket, card: Card, viewport: Viewport, metrics: Metrics, newest: Callable[[], RenderTarget | None]
    ) -> None:
        self._socket, self._card, self._metrics, self._newest = socket, card, metrics, newest
        self.viewport = self.finished_viewport = viewport  # now, and when a finished picture was last sent
        self._finished = -1  # the seq of the newest target with a finished picture
        self._whole: RenderTarget | None = None  # the target of the last overview
        self._sending = asyncio.Lock()
        self._shown: dict[tuple[str, int, Box | None, int], np.ndarray] = {}  # last pixels sent, by output, index, part and longest side

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        async with self._sending:
            await self._socket.send_bytes(pack(header, payload))

    def set_viewport(self, viewport: Viewport) -> None:
        """Change the viewport, and forget the sent pixels that no longer serve as the base of a changed box."""
        before, self.viewport = self.viewport, viewport
        if before.outputs != viewport.outputs or before.max_side != viewport.max_side or None in (before.view, viewport.view):
            self._shown.clear()
            self._whole = None
        else:  # only the view moved: the overview stays valid
            self._shown = {key: one for key, one in self._shown.items() if key[2] is None}

    async def draft(self, target: RenderTarget, viewport: Viewport, pictures: Pictures, ms: dict[str, float]) -> None:
        """Send a draft: the user's marks on the last picture, while the networks run."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            for (name, index), pixels in pictures.items():
                if viewport is self.viewport:
                    await self._frame(target, name, index, pixels, ms, final=False)

    async def preview(self, target: RenderTarget, viewport: Viewport, output: Any) -> None:
        """Send a preview of a running render, unless the socket is busy or a newer target exists."""
        from gesso.verbs.generate import preview_of

        if self._sending.locked() or viewport is not self.viewport or not viewport.outputs or self._newest() is not target:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            await self.send({"type": "progress", "seq": target.seq, "step": output.step, "num_steps": output.num_steps})
            pixels = await asyncio.to_thread(preview_of, output)
            if pixels is not None and self._newest() is target:
                await self._frame(target, viewport.outputs[0], 0, pixels, {}, final=False)

    async def finished(self, target: RenderTarget, pictures: Pictures, ms: dict[str, float]) -> None:
        """Send finished pictures: the viewport, then the overview if the viewport is a part."""
        self._finished, self.finished_viewport = target.seq, self.viewport
        for (name, index), pixels in pictures.items():
            await self._frame(target, name, index, pixels, ms, final=True)
        if self.finished_viewport.view is None or self._whole is target:
            return
        for (name, index), pixels in pictures.items():
            if self._newest() is target and self.finished_viewport.part(pixels.shape) is not None:
                await self._frame(target, name, index, pixels, ms, final=True, whole=True)
        self._whole = target if self._newest() is target else self._whole

    async def _frame(
        self, target: RenderTarget, name: str, index: int, pixels: np.ndarray, ms: dict[str, float], *, final: bool, whole: bool = False
    ) -> None:
        exact, viewport = not medium_of(self._card, name).startswith("picture"), self.viewport
        part = None if whole else viewport.part(pixels.shape)
        max_side = min(viewport.max_side, OVERVIEW) if viewport.view is not None and part is None else viewport.max_side
        left, top, right, bottom = part or (0, 0, pixels.shape[1], pixels.shape[0])
        key = name, index, part, max_side

        def encode(before: np.ndarray | None) -> tuple[np.ndarray, Any, bytes]:
            small = smaller(pixels[top:bottom, left:right], max_side, exact=exact)
            box = changed(before, small)
            return small, box, quick_png(small, box)

        began = time.perf_counter()
        async with self._sending:  # the box depends on what was sent last
            if not final and target.seq <= self._finished:
                return
            small, box, data = await asyncio.to_thread(encode, self._shown.get(key))
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
            await self._socket.send_bytes(pack(header, data))
        self._metrics.observe("edit_to_frame" if final else "edit_to_preview", time.perf_counter() - target.since)
