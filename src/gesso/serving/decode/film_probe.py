"""The first look at an uploaded film, taken in a sandboxed process: what it is, and a few of its frames."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesso.errors import GessoError, MissingExtra
from gesso.media.video_facts import VideoBudget
from gesso.serving.decode.decode_pool import HEAD, START_SECONDS, environment, split_answer
from gesso.serving.http_errors import ServerBusy
from gesso.serving.settings import Limits

PROGRAM = ("-B", "-m", "gesso.serving.decode.film_worker")
NUMBERS = {"width": int, "height": int, "num_frames": int, "bits": int, "seconds": float, "rate": float}
TEXTS = {"codec": re.compile(r"[\w.-]{1,40}", re.ASCII), "suffix": re.compile(r"[a-z0-9]{2,4}")}
MOST_SHOWN = 12
WAIT_SECONDS = 20.0  # for another look to end


@dataclass(frozen=True)
class FilmFacts:
    """What a film is. `width` and `height` are as players show it; `frames` are (seconds, uint8 [h w 3]), the first of full size."""

    width: int
    height: int
    num_frames: int
    seconds: float
    rate: float
    bits: int
    codec: str
    suffix: str
    sound: tuple[str, ...]
    frames: tuple[tuple[float, np.ndarray], ...]

    def to_json(self) -> dict[str, Any]:
        names = ("width", "height", "num_frames", "seconds", "rate", "bits", "codec", "sound")
        return {name: getattr(self, name) for name in names} | {"sound": list(self.sound)}


class FilmProbe:
    """Looks at one film at a time; others wait."""

    def __init__(self, limits: Limits) -> None:
        budget = VideoBudget(max_bytes=limits.film_bytes)
        seconds = limits.decode_seconds
        self._budget = budget
        self._config = {"memory": limits.decode_bytes, "seconds": seconds, "wall": seconds + START_SECONDS, "budget": asdict(budget)}
        self._free = threading.Semaphore(1)

    def look(self, path: Path, *, where: str = "film") -> FilmFacts:
        """GessoError if the file is no film, or too large. Blocks."""
        if not self._free.acquire(timeout=WAIT_SECONDS):
            raise ServerBusy("many films are being read already", where=where, fix="try again in a moment", retry_after=5)
        try:
            answer = self._ask(path, where)
        finally:
            self._free.release()
        parts = split_answer(answer)
        if parts is None:
            raise _failed(where)
        head, pixels = parts
        if "what" in head:
            what, fix = (None if head.get(name) is None else str(head[name])[:400] for name in ("what", "fix"))
            raise GessoError(what or "it cannot be read", where=where, fix=fix)
        return self._checked(head, pixels, where)

    def _ask(self, path: Path, where: str) -> bytes:
        """The worker's answer; empty if it died."""
        try:
            import av  # noqa: F401
        except ImportError:
            raise MissingExtra("av", "video", purpose="reading and writing film") from None
        most = HEAD + 3 * self._budget.max_pixels + MOST_SHOWN * 2**18
        command = [sys.executable, *PROGRAM, json.dumps(self._config)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "env": environment(), "cwd": path.anchor}
        with open(path, "rb") as film, subprocess.Popen(command, stdin=film, start_new_session=True, **pipes) as worker:
            timer = threading.Timer(self._config["wall"] + START_SECONDS, worker.kill)  # type: ignore[operator]
            timer.start()
            try:
                answer = worker.stdout.read(most + 1)  # type: ignore[union-attr]
            finally:
                timer.cancel()
                worker.kill()
        return b"" if len(answer) > most else answer

    def _checked(self, head: dict[str, Any], pixels: memoryview, where: str) -> FilmFacts:
        """A worker's answer, checked: a film that has taken it over may make it answer anything."""
        told, frames, place = head.get("facts"), [], 0
        shown = head.get("frames")
        if not isinstance(told, dict) or not isinstance(shown, list) or not 0 < len(shown) <= MOST_SHOWN:
            raise _failed(where)
        for one in shown:
            shape, seconds = (one.get("shape"), one.get("seconds")) if isinstance(one, dict) else (None, None)
            if not isinstance(shape, list) or len(shape) != 3 or shape[2] != 3 or not all(type(n) is int and n > 0 for n in shape):
                raise _failed(where)
            size = shape[0] * shape[1] * 3
            if type(seconds) is not float or not math.isfinite(seconds) or size > 3 * self._budget.max_pixels or place + size > len(pixels):
                raise _failed(where)
            frames.append((seconds, np.frombuffer(pixels[place : place + size], np.uint8).reshape(shape)))
            place += size
        if not all(type(told.get(name)) is kind and 0 <= told[name] < math.inf for name, kind in NUMBERS.items()):
            raise _failed(where)
        if not all(isinstance(told.get(name), str) and form.fullmatch(told[name]) for name, form in TEXTS.items()):
            raise _failed(where)
        sound = told.get("sound")
        if not isinstance(sound, list) or len(sound) > 100 or not all(isinstance(one, str) and len(one) <= 40 for one in sound):
            raise _failed(where)
        self._budget.check(told["width"], told["height"], told["num_frames"], told["seconds"], where=where)
        facts = {name: told[name] for name in (*NUMBERS, *TEXTS)}
        return FilmFacts(**facts, sound=tuple(sound), frames=tuple(frames))


def _failed(where: str) -> GessoError:
    return GessoError("it could not be read: its decoder failed", where=where, fix="give an MP4, MOV or MKV that plays elsewhere")
