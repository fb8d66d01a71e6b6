"""Faults on purpose: die, or fail as a disk fails, at a named point of a save. Off unless GESSO_CRASH_AT says so.

GESSO_CRASH_AT="state.fsync:2" ends the process at once, as kill -9 would, the second time that point is passed;
"state.write:1:ENOSPC" raises that error there instead. "os.fsync", "os.replace" and "os.rename" name every such call of the
whole program, wherever it is made.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from gesso.errors import GessoError

VARIABLE = "GESSO_CRASH_AT"
POINTS = (
    "folder.make",
    "state.write",
    "state.fsync",
    "meta.write",
    "meta.fsync",
    "manifest.write",
    "manifest.fsync",
    "folder.fsync",
    "folder.rename",
    "parent.fsync",
    "old.rename",
    "old.remove",
    "log.write",
    "log.fsync",
)
CALLS = ("os.fsync", "os.replace", "os.rename")
DEATH = 137  # what a shell reports of kill -9

_passed: Counter[str] = Counter()
_wrapped: dict[str, Callable[..., Any]] = {}


def point(name: str) -> None:
    """Here a save may be cut; dies or raises if it is this point's turn."""
    plan = os.environ.get(VARIABLE)
    if not plan:
        return
    wanted, turn, fault = _read(plan)
    if wanted != name:
        return
    _passed[name] += 1
    if _passed[name] == turn:
        if fault is None:
            os._exit(DEATH)
        raise OSError(fault, os.strerror(fault))


def watch_calls() -> None:
    """Make every os.fsync, os.replace and os.rename a point, where the plan names one of them."""
    name = os.environ.get(VARIABLE, "").partition(":")[0]
    if name not in CALLS or name in _wrapped:
        return
    call = name.removeprefix("os.")
    real = _wrapped[name] = getattr(os, call)

    def watched(*args: Any, **options: Any) -> Any:
        point(name)
        return real(*args, **options)

    setattr(os, call, watched)


def reset() -> None:
    """Count from the beginning, and put the real calls back."""
    _passed.clear()
    for name, real in _wrapped.items():
        setattr(os, name.removeprefix("os."), real)
    _wrapped.clear()


def _read(plan: str) -> tuple[str, int, int | None]:
    name, _, rest = plan.partition(":")
    turn, _, fault = (rest or "1").partition(":")
    code = getattr(errno, fault, None) if fault else None
    if name not in (*POINTS, *CALLS) or not turn.isdigit() or (fault and code is None):
        raise GessoError(
            f"no such fault: {plan!r}", where=VARIABLE, fix=f"name:turn or name:turn:ENOSPC, with a name of {', '.join(POINTS + CALLS)}"
        )
    return name, int(turn), code
