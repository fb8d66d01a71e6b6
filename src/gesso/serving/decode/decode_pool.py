"""The pool of decode workers: one process that has loaded the decoders and forks a worker for each upload."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

from gesso.serving.settings import Limits

START_SECONDS = 5.0  # for Python to start
KINDS = {"P": "picture", "C": "palette", "N": "notes"}
PROGRAM = ("-B", "-m", "gesso.serving.decode.decode_worker")
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds")
HEAD = 2**16
PIECE = 2**20


class DecodePool:
    """`decode` may be called from any thread. The process is started by `start` or the first call, and again if it died."""

    def __init__(self, limits: Limits) -> None:
        seconds = limits.decode_seconds
        self._config: dict[str, Any] = {"memory": limits.decode_bytes, "budget": asdict(limits.picture)}
        self._config |= {kind: {"does": does, "seconds": seconds, "wall": seconds + START_SECONDS} for kind, does in KINDS.items()}
        self._most = HEAD + 4 * limits.picture.max_pixels
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(self) -> None:
        if FORKS:
            with self._lock:
                self._ensure_started()

    def decode(self, kind: str, data: bytes) -> bytes:
        """A worker's answer to `data` (`kind`: P for a picture, C for a palette, N for notes); empty if it died, TimeoutError if it hangs.

        If the process that forks workers is killed meanwhile, another is started and `data` is sent once more.
        """
        if not FORKS:
            return self._decode_in_new_process(kind, data)
        answer, control = self._decode_in_worker(kind, data)
        return self._decode_in_worker(kind, data)[0] if self._has_died(control) else answer

    def _decode_in_worker(self, kind: str, data: bytes) -> tuple[bytes, socket.socket]:
        """A worker's answer, and the control socket of the process that forked it."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                control = self._send_socket(kind, theirs)
            end = time.monotonic() + self._config[kind]["wall"]
            try:
                ours.settimeout(self._config[kind]["wall"])
                ours.sendall(data)
                ours.shutdown(socket.SHUT_WR)
                return self._receive(ours, end), control
            except TimeoutError:
                raise
            except OSError:
                return b"", control

    def _has_died(self, control: socket.socket) -> bool:
        """Whether the process at this control socket has ended; False after `close`, so that nothing is started again.

        A dying process closes its sockets before it can be waited for, so the control socket is examined as well.
        """
        with self._lock:
            if self._control is None:
                return False
            if self._control is not control or self._process is None or self._process.poll() is not None:
                return True
            try:
                if control.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return False  # the process never sends
            except BlockingIOError:
                return False
            except OSError:
                pass
            self._end_process()  # it is dying: the next upload must not reach it
            return True

    def close(self) -> None:
        """End the process and its workers."""
        with self._lock:
            if self._control is not None:
                self._control.close()
            self._end_process()
            self._control = None

    def _receive(self, ours: socket.socket, end: float) -> bytes:
        received = bytearray()
        while len(received) <= self._most:
            ours.settimeout(max(0.001, end - time.monotonic()))
            piece = ours.recv(PIECE)
            if not piece:
                return bytes(received)
            received += piece
        return b""  # longer than any valid answer

    def _send_socket(self, kind: str, theirs: socket.socket) -> socket.socket:
        with self._lock:
            for last in (False, True):
                control = self._ensure_started()
                try:
                    socket.send_fds(control, [kind.encode()], [theirs.fileno()])
                    return control
                except OSError:  # it died after the check
                    if last:
                        raise
                    self._end_process()
        raise AssertionError("unreachable")

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _ensure_started(self) -> socket.socket:
        if self._control is None or self._process is None or self._process.poll() is not None:
            if self._control is not None:
                self._control.close()
            self._control, theirs = socket.socketpair()
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, *PROGRAM, "serve", json.dumps(self._config | {"control": theirs.fileno()})],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=environment(),
                    cwd=os.path.sep,
                    start_new_session=True,  # Ctrl-C goes to the server, which closes the control socket
                )
        return self._control

    def _decode_in_new_process(self, kind: str, data: bytes) -> bytes:
        limits = self._config[kind]
        command = [sys.executable, *PROGRAM, limits["does"], json.dumps(self._config | limits)]
        out, null = subprocess.PIPE, subprocess.DEVNULL
        try:
            done = subprocess.run(command, input=data, stdout=out, stderr=null, timeout=limits["wall"], env=environment(), cwd=os.path.sep)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        return b"" if done.returncode or len(done.stdout) > self._most else done.stdout


def split_answer(answer: bytes) -> tuple[dict[str, Any], memoryview] | None:
    """The JSON head of a worker's answer and the bytes after it; None if it is malformed."""
    try:
        end = 4 + struct.unpack_from("<I", answer)[0]
        head = json.loads(answer[4:end]) if end <= min(HEAD, len(answer)) else None
    except (struct.error, ValueError, RecursionError):
        return None
    return (head, memoryview(answer)[end:]) if isinstance(head, dict) else None


def environment() -> dict[str, str]:
    """The environment of workers, without the server's own variables, which may hold tokens."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return kept | one | {"PYTHONPATH": os.pathsep.join(os.path.abspath(p) for p in sys.path if p)}
