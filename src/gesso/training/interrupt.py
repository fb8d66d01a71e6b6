"""Ctrl-C without loss: the first asks the run to end after its step, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


def say_to_terminal(words: str) -> None:
    """Straight to stderr: a signal may come in the middle of a print, which cannot be entered twice."""
    os.write(2, f"\n{words}\n".encode())


class Interrupt:
    """While it is entered, SIGINT and SIGTERM set `asked` to their name; the second time they do what they did before.

    `stop` is another way to ask: once it says yes, `asked` is "stopped".
    """

    def __init__(self, say: Callable[[str], None] = say_to_terminal, stop: Callable[[], bool] | None = None) -> None:
        self._heard: str | None = None
        self._say, self._stop = say, stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @property
    def asked(self) -> str | None:
        if self._heard is None and self._stop is not None and self._stop():
            self._heard = "stopped"
        return self._heard

    @asked.setter
    def asked(self, value: str | None) -> None:
        self._heard = value

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._heard:
            self.__exit__(None, None, None)
            raise KeyboardInterrupt
        self._heard = signal.Signals(number).name
        self._say("finishing this step, then saving; once more to leave at once")
