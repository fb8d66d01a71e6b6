"""A worker's hold on its job: renewed from a thread of its own, which also reports progress and learns when to stop."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gesso.serving.jobs.quota import CHECK_SECONDS
from gesso.serving.jobs.store import LEASE, JobStore, LeaseLost

log = logging.getLogger("gesso.serving")
RENEW_SECONDS = 1.0  # between two renewals, each of which reports progress


class JobLease:
    """Holds the lease of a running job: a thread renews it, reports progress, and sets `stop_reason` when the job must stop."""

    def __init__(self, store: JobStore, id: str, token: int, path: Path) -> None:
        self.store, self.id, self.token, self._path = store, id, token, path
        self.stop_reason = ""  # "cancel", "closing", "full" or "lost"
        self.progress: Callable[[], tuple[int, int, str] | None] = lambda: None
        self.over_quota: Callable[[], bool] = lambda: False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew_regularly, name="lease", daemon=True)

    def __enter__(self) -> JobLease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def stop(self) -> bool:
        """Whether the job must stop."""
        return bool(self.stop_reason)

    def report_progress(self, done: int, total: int, words: str = "") -> None:
        self.progress = lambda: (done, total, words)

    def log(self, words: str) -> None:
        """Append a line to the job's log. On a full disk it is dropped, so that the final state can still be stored."""
        with contextlib.suppress(OSError), open(self._path / "log.txt", "a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%H:%M:%S')}  {words}\n")

    def renew(self) -> None:
        progress = None
        with contextlib.suppress(OSError, ValueError):
            progress = self.progress()
        more = {} if progress is None else {"done": progress[0], "total": progress[1], "words": progress[2]}
        self.stop_reason = self.store.renew(self.id, self.token, **more) or self.stop_reason  # type: ignore[arg-type]

    def _renew_regularly(self) -> None:
        renewed = checked = time.monotonic()
        while not self._ended.wait(RENEW_SECONDS):
            try:
                self.renew()
                renewed = time.monotonic()
                if renewed - checked > CHECK_SECONDS:
                    checked = renewed
                    self.stop_reason = self.stop_reason or ("full" if self.over_quota() else "")
            except LeaseLost:
                self.stop_reason = "lost"
                return
            except Exception:  # the disk may be full or the database busy: try again while the lease is valid
                log.exception("a job's lease could not be renewed")
                if time.monotonic() - renewed > LEASE:
                    self.stop_reason = "lost"
                    return
