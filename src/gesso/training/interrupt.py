"""Handling of Ctrl-C: the first one ends the run after its step and saves, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


def say_to_terminal(words: str) -> None:
    """Write to stderr without buffering: a signal may arrive inside a print, which is not re-entrant."""
    os.write(2, f"\n{words}\n".encode())


class Interrupt:
    """A context in which the first SIGINT or SIGTERM sets `requested` to its name, and the second has its usual effect.

    `stop` is polled too: once it returns True, `requested` is "stopped".
    """

    def __init__(self, say: Callable[[str], None] = say_to_terminal, stop: Callable[[], bool] | None = None) -> None:
        self._requested: str | None = None
        self._say, self._stop = say, stop
        self._old_handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old_handlers[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers.clear()

    @property
    def requested(self) -> str | None:
        if self._requested is None and self._stop is not None and self._stop():
            self._requested = "stopped"
        return self._requested

    @requested.setter
    def requested(self, value: str | None) -> None:
        self._requested = value

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._requested:
            self.__exit__(None, None, None)
            raise KeyboardInterrupt
        self._requested = signal.Signals(number).name
        self._say("finishing this step, then saving; press again to stop at once")
