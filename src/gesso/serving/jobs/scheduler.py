"""The scheduler: claims the next job, starts a worker for it, and watches it until it ends."""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.store import Job, JobStore, LeaseLost

log = logging.getLogger("gesso.serving")
POLL_SECONDS = 0.5  # between two polls while jobs run or wait
RETRY_SECONDS = 5.0  # after a poll that failed
CANCEL_GRACE = 15.0  # seconds for a worker to stop after a cancel
KILLED_AT_ONCE = ("measure",)  # kinds that cannot stop by themselves and have nothing to save
LOST_GRACE = 5.0  # after another worker took its lease
START_GRACE = 120.0  # to start, while the scheduler renews its lease
CLOSE_GRACE = 4.0  # when the server ends


class Worker(Protocol):
    """A running job, in a local process or on a cluster."""

    def ended(self) -> bool: ...
    def close(self) -> None:
        """Ask the worker to save and end."""

    def kill(self) -> None: ...


Start = Callable[[WorkerConfig, Job], Worker]


class WorkerProcess:
    """A worker in a local process, which notices that the server has ended when its stdin is closed."""

    def __init__(self, config: WorkerConfig, job: Job) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "gesso.serving.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=worker_environment(config.threads),
            start_new_session=True,  # Ctrl-C goes to the server only
        )
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(
                json.dumps({"config": config.to_json(), "id": job.id, "kind": job.kind, "token": job.token}).encode() + b"\n"
            )
            self._child.stdin.flush()
        except OSError:
            log.warning("a worker ended before it began")

    @property
    def pid(self) -> int:
        return self._child.pid

    def ended(self) -> bool:
        return self._child.poll() is not None

    def close(self) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.close()
        except OSError:
            pass

    def kill(self) -> None:
        self._child.kill()
        self._child.wait(timeout=10)


def worker_environment(threads: int) -> dict[str, str]:
    """The environment of a worker: the server's without tokens, with limited threads."""
    kept = {name: value for name, value in os.environ.items() if "TOKEN" not in name.upper() and "SECRET" not in name.upper()}
    few = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return kept | few | {"PYTHONPATH": os.pathsep.join(os.path.abspath(one) for one in sys.path if one)}


class JobScheduler:
    """A thread that runs up to `at_once` jobs at a time. It sleeps while no job waits; `wake` it after a submit."""

    def __init__(
        self,
        store: JobStore,
        config: WorkerConfig,
        start: Start = WorkerProcess,
        at_once: int = 1,
        ready: Callable[[], None] = lambda: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._config, self._start, self._at_once, self._ready, self._end = store, config, start, at_once, ready, end
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._running: dict[str, tuple[Job, Worker]] = {}
        self._stopping: dict[str, float] = {}  # job → when its worker is killed
        self._starting: dict[str, float] = {}  # job → until when the scheduler renews its lease
        self._wake, self._closed = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="jobs", daemon=True)
                self._thread.start()
        self._wake.set()

    def pids(self) -> list[int]:
        """The process ids of local workers."""
        return [worker.pid for _, worker in list(self._running.values()) if isinstance(worker, WorkerProcess)]

    def close(self) -> None:
        """Ask running workers to save and requeue their jobs; kill those that do not end in time."""
        with self._lock:
            self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
        for job, worker in self._running.values():
            self._store.request_requeue(job.id, job.token)
            worker.close()
        until = time.monotonic() + CLOSE_GRACE
        for job, worker in self._running.values():
            while not worker.ended() and time.monotonic() < until:
                time.sleep(0.05)
            if not worker.ended():
                worker.kill()
            self._store.worker_died(job.id, job.token)
        self._running.clear()
        self._end()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                self.poll()
                busy = bool(self._running) or self._store.has_work()
                pause = POLL_SECONDS if busy else None
            except Exception:  # for example a full disk: try again later
                log.exception("jobs could not be scheduled")
                pause = RETRY_SECONDS
            self._wake.wait(timeout=pause)
            self._wake.clear()

    def poll(self) -> None:
        """One poll: remove ended workers, kill overdue ones, start waiting jobs."""
        for id, (job, worker) in list(self._running.items()):
            if worker.ended():
                del self._running[id]
                self._stopping.pop(id, None)
                self._starting.pop(id, None)
                self._store.worker_died(job.id, job.token)  # no effect if the worker has stored the final state
            else:
                self._renew_while_starting(job)
                self._kill_if_overdue(job, worker)
        if len(self._running) < self._at_once and self._store.has_work():
            self._ready()
        while len(self._running) < self._at_once and not self._closed.is_set():
            claimed = self._store.claim(self._name, self._at_once)
            if claimed is None:
                return
            try:
                self._running[claimed.id] = (claimed, self._start(self._config, claimed))
                self._starting[claimed.id] = time.monotonic() + START_GRACE
            except Exception:
                self._store.worker_died(claimed.id, claimed.token)
                raise

    def _renew_while_starting(self, job: Job) -> None:
        """Renew the lease of a worker that is still starting, which may be slow on a cluster or a busy machine."""
        until = self._starting.get(job.id)
        if until is None:
            return
        try:
            self._store.renew(job.id, job.token)
        except LeaseLost:
            until = 0.0
        if time.monotonic() > until or self._store.get(job.owner, job.id).since is not None:
            del self._starting[job.id]

    def _kill_if_overdue(self, job: Job, worker: Worker) -> None:
        lost = not self._store.holds(job.id, job.token)
        wanted = "" if lost else self._store.get(job.owner, job.id).wanted
        if not lost and not wanted:
            self._stopping.pop(job.id, None)
            return
        grace = LOST_GRACE if lost or job.kind in KILLED_AT_ONCE else CANCEL_GRACE
        until = self._stopping.setdefault(job.id, time.monotonic() + grace)
        if time.monotonic() > until:
            worker.kill()
