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
    grown: bool = False
    since: float = field(default_factory=time.perf_counter)


class FrameSender:
    """One socket's page. `newest` says what is wanted now."""

    def __init__(self, socket: WebSocket, card: Card, look: Viewport, metrics: Metrics, newest: Callable[[], RenderTarget | None]) -> None:
        self._socket, self._card, self._metrics, self._newest = socket, card, metrics, newest
        self.look = self.looked = look  # what is looked at, and what was when a finished picture was last shown
        self._finished = -1  # the seq of the newest edit whose picture was sent whole
        self._whole: RenderTarget | None = None  # what the whole was last shown of
        self._sending = asyncio.Lock()
        self._shown: dict[tuple[str, int, Box | None, int], np.ndarray] = {}  # by output, index, part and longest side

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        async with self._sending:
            await self._socket.send_bytes(pack(header, payload))

    def turn(self, look: Viewport) -> None:
        """Look elsewhere, or finer: what is on the screen is forgotten where it is of no use."""
        before, self.look = self.look, look
        if before.outputs != look.outputs or before.max_side != look.max_side or None in (before.view, look.view):
            self._shown.clear()
            self._whole = None
        else:  # only another part is looked at: of the whole it is known what is there
            self._shown = {key: one for key, one in self._shown.items() if key[2] is None}

    async def draft(self, wanted: RenderTarget, look: Viewport, pictures: Pictures, ms: dict[str, float]) -> None:
        """The hand's own marks on the last picture, while the networks look at them."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            for (name, index), pixels in pictures.items():
                if look is self.look:
                    await self._frame(wanted, name, index, pixels, ms, final=False)

    async def preview(self, wanted: RenderTarget, look: Viewport, output: Any) -> None:
        """A look at work that goes on, unless something newer was shown, or the line is still busy."""
        from gesso.verbs.generate import preview_of

        if self._sending.locked() or look is not self.look or not look.outputs or self._newest() is not wanted:
            return
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, GessoError):
            await self.send({"type": "progress", "seq": wanted.seq, "step": output.step, "num_steps": output.num_steps})
            pixels = await asyncio.to_thread(preview_of, output)
            if pixels is not None and self._newest() is wanted:
                await self._frame(wanted, look.outputs[0], 0, pixels, {}, final=False)

    async def finished(self, wanted: RenderTarget, pictures: Pictures, ms: dict[str, float]) -> None:
        """What is looked at, and where that is a part, then the whole."""
        self._finished, self.looked = wanted.seq, self.look
        for (name, index), pixels in pictures.items():
            await self._frame(wanted, name, index, pixels, ms, final=True)
        if self.looked.view is None or self._whole is wanted:
            return
        for (name, index), pixels in pictures.items():
            if self._newest() is wanted and self.looked.part(pixels.shape) is not None:
                await self._frame(wanted, name, index, pixels, ms, final=True, whole=True)
        self._whole = wanted if self._newest() is wanted else self._whole

    async def _frame(
        self, wanted: RenderTarget, name: str, index: int, pixels: np.ndarray, ms: dict[str, float], *, final: bool, whole: bool = False
    ) -> None:
        exact, look = not medium_of(self._card, name).startswith("picture"), self.look
        part = None if whole else look.part(pixels.shape)
        max_side = min(look.max_side, OVERVIEW) if look.view is not None and part is None else look.max_side
        left, top, right, bottom = part or (0, 0, pixels.shape[1], pixels.shape[0])
        key = name, index, part, max_side

        def encode(before: np.ndarray | None) -> tuple[np.ndarray, Any, bytes]:
            small = smaller(pixels[top:bottom, left:right], max_side, exact=exact)
            box = changed(before, small)
            return small, box, quick_png(small, box)

        began = time.perf_counter()
        async with self._sending:  # what was sent before decides what is sent now
            if not final and wanted.seq <= self._finished:
                return
            small, box, data = await asyncio.to_thread(encode, self._shown.get(key))
            if look.outputs == self.look.outputs and (part is None or look is self.look):
                self._shown[key] = small
            header = {
                "type": "frame",
                "seq": wanted.seq,
                "node": wanted.node,
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
        self._metrics.observe("edit_to_frame" if final else "edit_to_preview", time.perf_counter() - wanted.since)
