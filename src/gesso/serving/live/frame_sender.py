"""What one page is shown of a drawing: pictures as boxes of what changed, a part in full before the whole small, never an older one."""

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
    """What is to be painted: the newest edit, logged as `node`, or only tried (None). `grown`: the node is what a commit just made."""

    seq: int
    node: str | None
    request: Request
    committed: bool = False
    since: float = field(default_factory=time.perf_counter)


class FrameSender:
    """One socket's page. `newest` says what is wanted now."""

    def __init__(
        self, socket: WebSocket, card: Card, viewport: Viewport, metrics: Metrics, newest: Callable[[], RenderTarget | None]
    ) -> None:
        self._socket, self._card, self._metrics, self._newest = socket, card, metrics, newest
        self.viewport = self.finished_viewport = viewport  # what is looked at, and what was when a finished picture was last shown
        self._finished = -1  # the seq of the newest edit whose picture was sent whole
        self._whole: RenderTarget | None = None  # what the whole was last shown of
        self._sending = asyncio.Lock()
        self._shown: dict[tuple[str, int, Box | None, int], np.ndarray] = {}  # by output, index, part and longest side

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        async with self._sending:
            await self._socket.send_bytes(pack(header, payload))

    def set_viewport(self, viewport: Viewport) -> None:
        """Look elsewhere, or finer: what is on the screen is forgotten where it is of no use."""
        before, self.viewport = self.viewport, viewport
        if before.outputs != viewport.outputs or before.max_side != viewport.max_side or None in (before.view, viewport.view):
            self._shown.clear()
            self._whole = None
        else:  # only another part is looked at: of the whole it is known what is there
            self._shown = {key: one for key, one in self._shown.items() if key[2] is None}

    async def draft(self, target: RenderTarget, viewport: Viewport, pictures: Pictures, ms: dict[str, float]) -> None:
        """The hand's own marks on the last picture, while the networks look at them."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            for (name, index), pixels in pictures.items():
                if viewport is self.viewport:
                    await self._frame(target, name, index, pixels, ms, final=False)

    async def preview(self, target: RenderTarget, viewport: Viewport, output: Any) -> None:
        """A look at work that goes on, unless something newer was shown, or the line is still busy."""
        from gesso.verbs.generate import preview_of

        if self._sending.locked() or viewport is not self.viewport or not viewport.outputs or self._newest() is not target:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            await self.send({"type": "progress", "seq": target.seq, "step": output.step, "num_steps": output.num_steps})
            pixels = await asyncio.to_thread(preview_of, output)
            if pixels is not None and self._newest() is target:
                await self._frame(target, viewport.outputs[0], 0, pixels, {}, final=False)

    async def finished(self, target: RenderTarget, pictures: Pictures, ms: dict[str, float]) -> None:
        """What is looked at, and where that is a part, then the whole."""
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
        async with self._sending:  # what was sent before decides what is sent now
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
