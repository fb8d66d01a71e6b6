"""The client of the signer process: starts and restarts it, and gives the reason where a file could not be signed."""

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

from gesso.marking.signer_protocol import SECRET_BYTES, ProtocolError, SignerChannel
from gesso.marking.signing_request import SigningRequest

PATIENCE = 60.0  # seconds for one file
REST = 5.0  # seconds between a failed start and the next attempt
NOT_INSTALLED = "install gesso[studio]"
OFF = "signing is turned off"
NEEDED = ("c2pa", "cryptography")


class SignedFile(NamedTuple):
    """A file ready to save. `beside` is the manifest where the format cannot hold one; `why` is the reason where there is no manifest."""

    data: bytes
    beside: bytes | None = None
    why: str | None = None


class Marker:
    """Signs files in a child process, one after another. The process is started at first use. For any number of threads."""

    def __init__(self, folder: Path, *, on: bool = True) -> None:
        self._folder, self._lock = folder, threading.RLock()
        self._why: str | None = None if on else OFF
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: SignerChannel | None = None
        self._hello: dict[str, Any] = {}
        self._failed, self._failure = -REST, ""
        if on and any(importlib.util.find_spec(name) is None for name in NEEDED):
            self._why = NOT_INSTALLED

    def mark(self, request: SigningRequest, data: bytes) -> SignedFile:
        """The file with its manifest. Never raises: a file that cannot be signed is returned unchanged, with the reason."""
        with self._lock:
            why = self._why
            for _ in range(2):  # a signer that ended, for example because its key was renewed, is restarted once
                if why is not None and why in (OFF, NOT_INSTALLED):
                    break
                try:
                    answer, made = self._ask(request, data)
                except (ProtocolError, OSError) as error:
                    why = reason_of(error) or "the signer does not answer"
                    self._stop()
                    continue
                except ValueError as error:
                    why = str(error)
                    break
                if "error" not in answer:
                    return SignedFile(data, beside=made) if answer.get("beside") else SignedFile(made)
                why = str(answer["error"])
                break
            return SignedFile(data, why=why or "the signer does not answer")

    def status(self) -> dict[str, Any]:
        """The signer's status: `signs`, `state` (on, off, missing, failed), `why` it does not sign, and the key's `fingerprint`, `since`
        and `chain` (certificates as PEM).

        `trusted` is always False: the key is on no trust list.
        """
        with self._lock:
            why = self._why
            if why is None:
                try:
                    self._start()
                except (ProtocolError, OSError) as error:
                    why = reason_of(error)
            if why is not None:
                return {"signs": False, "state": self.state if self._why else "failed", "why": why, "trusted": False}
            keys = {name: self._hello.get(name) for name in ("fingerprint", "since", "chain")}
            return {"signs": True, "state": "on", "why": None, "trusted": False} | keys

    @property
    def state(self) -> str:
        """on, off or missing, for health checks; does not ask the signer whether it answers."""
        return {None: "on", OFF: "off", NOT_INSTALLED: "missing"}.get(self._why, "off")

    def renew_key(self, reason: str) -> dict[str, Any]:
        """Replace the key; its certificate is kept with the reason. Returns the `status` with the new key."""
        with self._lock:
            self._stop()
            if self._why is None:
                self._failed = -REST
                self._start(reason or "renewed")
            return self.status()

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _ask(self, request: SigningRequest, data: bytes) -> tuple[dict[str, Any], bytes]:
        self._start()
        assert self._channel is not None and self._child is not None
        child = self._child
        clock = threading.Timer(PATIENCE, child.kill)
        clock.daemon = True
        clock.start()
        try:
            self._channel.send(request.model_dump(mode="json"), data)
            return self._channel.receive()
        finally:
            clock.cancel()

    def _start(self, renewing: str = "") -> None:
        if self._child is not None and self._child.poll() is None:
            return
        self._stop()
        if time.monotonic() - self._failed < REST:
            raise ProtocolError(self._failure)
        command = [sys.executable, "-B", "-m", "gesso.marking.signer", str(self._folder.absolute()), *([renewing] if renewing else [])]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            cwd=os.path.sep,
            start_new_session=True,  # Ctrl-C in the terminal is for the server, which still needs the signer for its last answers
        )
        assert child.stdin is not None and child.stdout is not None
        secret = secrets.token_bytes(SECRET_BYTES)
        self._child, self._channel = child, SignerChannel(child.stdout, child.stdin, secret)
        clock = threading.Timer(PATIENCE, child.kill)
        clock.daemon = True
        clock.start()
        try:
            child.stdin.write(secret)
            child.stdin.flush()
            self._hello, _ = self._channel.receive()
            if "error" in self._hello:
                raise ProtocolError(str(self._hello["error"]))
        except (ProtocolError, OSError) as error:
            self._failed, self._failure = time.monotonic(), reason_of(error) or "the signer does not start"
            self._stop()
            raise
        finally:
            clock.cancel()

    def _stop(self) -> None:
        child, self._child, self._channel = self._child, None, None
        if child is None:
            return
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass
        try:
            child.wait(2)  # it ends when its input ends
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def reason_of(error: Exception) -> str:
    """The error's reason without paths of this machine."""
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


def _environment() -> dict[str, str]:
    """The child's environment, without the server's variables, because tokens may be among them."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": path}
