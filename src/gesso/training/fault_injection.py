"""Fault injection for tests: end the process or raise a disk error at a named point of a save. Off unless GESSO_CRASH_AT is set.

GESSO_CRASH_AT="state.fsync:2" ends the process at once, like kill -9, the second time that point is reached;
"state.write:1:ENOSPC" raises that error instead. "os.fsync", "os.replace" and "os.rename" match every such call in the process.
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
OS_CALLS = ("os.fsync", "os.replace", "os.rename")
EXIT_CODE = 137  # a shell's exit code for kill -9

_times_passed: Counter[str] = Counter()
_real_calls: dict[str, Callable[..., Any]] = {}


def fault_point(name: str) -> None:
    """Mark a point of a save. Ends the process or raises OSError if GESSO_CRASH_AT names this point and its turn has come."""
    plan = os.environ.get(VARIABLE)
    if not plan:
        return
    wanted, turn, fault = _read(plan)
    if wanted != name:
        return
    _times_passed[name] += 1
    if _times_passed[name] == turn:
        if fault is None:
            os._exit(EXIT_CODE)
        raise OSError(fault, os.strerror(fault))


def wrap_os_calls() -> None:
    """Replace os.fsync, os.replace or os.rename by a version with a fault point, if GESSO_CRASH_AT names it."""
    name = os.environ.get(VARIABLE, "").partition(":")[0]
    if name not in OS_CALLS or name in _real_calls:
        return
    call = name.removeprefix("os.")
    real = _real_calls[name] = getattr(os, call)

    def with_fault_point(*args: Any, **options: Any) -> Any:
        fault_point(name)
        return real(*args, **options)

    setattr(os, call, with_fault_point)


def reset() -> None:
    """Reset the counters and restore the real os functions."""
    _times_passed.clear()
    for name, real in _real_calls.items():
        setattr(os, name.removeprefix("os."), real)
    _real_calls.clear()


def _read(plan: str) -> tuple[str, int, int | None]:
    name, _, rest = plan.partition(":")
    turn, _, fault = (rest or "1").partition(":")
    code = getattr(errno, fault, None) if fault else None
    if name not in (*POINTS, *OS_CALLS) or not turn.isdigit() or (fault and code is None):
        raise GessoError(
            f"no such fault: {plan!r}", where=VARIABLE, fix=f"name:turn or name:turn:ENOSPC, with a name of {', '.join(POINTS + OS_CALLS)}"
        )
    return name, int(turn), code
