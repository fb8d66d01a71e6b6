"""This process's line to the signer: it starts it, starts it again, and says plainly when a file leaves without a signature."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from gesso.marking.order import Order
from gesso.marking.wire import SECRET_BYTES, Broken, Line

PATIENCE = 60.0  # seconds for one file
REST = 5.0  # seconds after a start that failed, before the next is tried
NOT_INSTALLED = "install gesso[studio]"
OFF = "signing is turned off"
NEEDED = ("c2pa", "cryptography")


class Marked(NamedTuple):
    """A file as it may leave. `beside` is the manifest of a format that has no place for one; `why` says why there is none at all."""

    data: bytes
    beside: bytes | None = None
    why: str | None = None


class Marker:
    """Signs through a child process, one file after another; nothing is started before it is needed. For use by many threads."""

    def __init__(self, folder: Path, *, on: bool = True) -> None:
        self._folder, self._lock = folder, threading.RLock()
        self._why: str | None = None if on else OFF
        self._child: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._hello: dict[str, Any] = {}
        self._failed, self._failure = -REST, ""
        if on and any(importlib.util.find_spec(name) is None for name in NEEDED):
            self._why = NOT_INSTALLED

    def mark(self, order: Order, data: bytes) -> Marked:
        """The file with its manifest. Never raises: a file that could not be signed comes back as it was, with the reason."""
        with self._lock:
            why = self._why
            for _ in range(2):  # a signer that died, or whose key was renewed, is started once more
                if why is not None and why in (OFF, NOT_INSTALLED):
                    break
                try:
                    answer, made = self._ask(order, data)
                except (Broken, OSError) as error:
                    why = said_of(error) or "the signer does not answer"
                    self._stop()
                    continue
                except ValueError as error:
                    why = str(error)
                    break
                if "error" not in answer:
                    return Marked(data, beside=made) if answer.get("beside") else Marked(made)
                why = str(answer["error"])
                break
            return Marked(data, why=why or "the signer does not answer")

    def told(self) -> dict[str, Any]:
        """Whether outputs are signed: `signs`, the `state` (on, off, missing, failed) and `why` not; of the key its `fingerprint`, since
        when, and its certificates as PEM.

        `trusted` is False and stays so: nobody but this machine vouches for the key.
        """
        with self._lock:
            why = self._why
            if why is None:
                try:
                    self._start()
                except (Broken, OSError) as error:
                    why = said_of(error)
            if why is not None:
                return {"signs": False, "state": self.state if self._why else "failed", "why": why, "trusted": False}
            keys = {name: self._hello.get(name) for name in ("fingerprint", "since", "chain")}
            return {"signs": True, "state": "on", "why": None, "trusted": False} | keys

    @property
    def state(self) -> str:
        """One word for health: on, off, or missing; whether a signer answers is only known by asking it."""
        return {None: "on", OFF: "off", NOT_INSTALLED: "missing"}.get(self._why, "off")

    def renew(self, reason: str) -> dict[str, Any]:
        """A new key in place of this one, whose certificate is kept with the reason; what `told` says then."""
        with self._lock:
            self._stop()
            if self._why is None:
                self._failed = -REST
                self._start(reason or "renewed")
            return self.told()

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _ask(self, order: Order, data: bytes) -> tuple[dict[str, Any], bytes]:
        self._start()
        assert self._line is not None and self._child is not None
        child = self._child
        clock = threading.Timer(PATIENCE, child.kill)
        clock.daemon = True
        clock.start()
        try:
            self._line.send(order.model_dump(mode="json"), data)
            return self._line.receive()
        finally:
            clock.cancel()

    def _start(self, renewing: str = "") -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._stop()
        if time.monotonic() - self._failed < REST:
            raise Broken(self._failure)
        command = [sys.executable, "-B", "-m", "gesso.marking.signer", str(self._folder.absolute()), *([renewing] if renewing else [])]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.sep,
            start_new_session=True,  # Ctrl-C in the terminal is for the server, whose last answers are still to be signed
        )
        assert child.stdin is not None and child.stdout is not None
        secret = secrets.token_bytes(SECRET_BYTES)
        self._child, self._line = child, Line(child.stdout, child.stdin, secret)
        clock = threading.Timer(PATIENCE, child.kill)
        clock.daemon = True
        clock.start()
        try:
            child.stdin.write(secret)
            child.stdin.flush()
            self._hello, _ = self._line.receive()
            if "error" in self._hello:
                raise Broken(str(self._hello["error"]))
        except (Broken, OSError) as error:
            self._failed, self._failure = time.monotonic(), said_of(error) or "the signer does not start"
            self._stop()
            raise
        finally:
            clock.cancel()

    def _stop(self) -> None:
        child, self._child, self._line = self._child, None, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass
        try:
            child.wait(2)  # the end of the line is its word to go
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def said_of(error: Exception) -> str:
    """What went wrong, without where on this machine."""
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


def _environment() -> dict[str, str]:
    """Nothing of the server's own: tokens may be among it."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
