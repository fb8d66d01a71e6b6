"""A worker process: runs one job with low priority, few threads and a lease; run as `python -m gesso.serving.jobs.worker`.

The first line of stdin names the job. When stdin is closed (the server has ended) it saves, requeues the job and exits. When it is
killed, its lease expires, and another worker continues the job from the last checkpoint or the last finished picture.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gesso.errors import GessoError, Stopped
from gesso.serving.decode import sandbox
from gesso.serving.http_errors import internal_error, redacted
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.lease import RENEW_SECONDS, JobLease
from gesso.serving.jobs.quota import FIX, used_bytes
from gesso.serving.jobs.store import CANCELLED, DONE, FAILED, QUEUED, JobStore, LeaseLost
from gesso.serving.settings import Limits

log = logging.getLogger("gesso.serving")
NICE = 10
GRACE = 15.0  # seconds to save after the server has ended
PATIENCE = 60.0  # seconds to wait for an earlier worker that still holds the job's folder


def run_job(config: WorkerConfig, id: str, token: int, closing: threading.Event | None = None) -> str:
    """Run a job that was claimed with this token and store its final state, which is returned; "lost" if another worker has it."""
    store = JobStore(Path(config.home) / "jobs.sqlite", Limits())
    folder = config.folder(id)
    try:
        with JobLease(store, id, token, folder) as lease:
            lease.over_quota = lambda: used_bytes(map(config.folder, store.ids_of_same_owner(id))) > config.most_bytes
            if closing is not None:
                threading.Thread(target=_close, args=(closing, lease), daemon=True).start()
            outcome = _run_handler(config, store.spec(id), lease, folder)
            with contextlib.suppress(LeaseLost):
                lease.renew()  # report the final progress
        store.end(id, token, **outcome)
        return str(outcome["state"])
    except LeaseLost:
        return "lost"
    finally:
        store.close()


def _close(closing: threading.Event, lease: JobLease) -> None:
    closing.wait()
    lease.stop_reason = lease.stop_reason or "closing"


def _run_handler(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """Run the handler. Gives the arguments of `JobStore.end`."""
    from gesso.serving.jobs.handlers import HANDLERS, stderr_to_log

    try:
        with folder_held(folder, lease), stderr_to_log(folder):
            extra = HANDLERS[spec["kind"]](config, spec, lease, folder)
        if lease.stop_reason != "lost":
            lease.log("done")  # a cancel or a shutdown came too late
            return {"state": DONE, **extra}
    except Stopped:
        pass
    except GessoError as error:
        what = redacted(f"{error.where}: {error.what}" if error.where else error.what)
        lease.log(f"failed: {what}")
        return {"state": FAILED, "what": what, "fix": redacted(error.fix)}
    except Exception as error:
        shown = internal_error(error)
        lease.log(f"failed: {shown}")
        return {"state": FAILED, "what": shown.what, "fix": shown.fix}
    if lease.stop_reason == "lost":
        raise LeaseLost
    if lease.stop_reason == "full":
        lease.log("stopped: there is no room left for jobs")
        return {"state": FAILED, "what": "there is no room left for your jobs", "fix": f"{FIX}; then it goes on"}
    lease.log("cancelled" if lease.stop_reason == "cancel" else "stopped, to go on later")
    return {"state": CANCELLED if lease.stop_reason == "cancel" else QUEUED}


@contextlib.contextmanager
def folder_held(folder: Path, lease: JobLease) -> Iterator[None]:
    """Lock the job's folder, after waiting for an earlier worker that lost its lease but has not stopped yet."""
    from gesso.storage.lock import locked

    until = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(folder, "another worker"))
                break
            except GessoError:
                if lease.stop():
                    raise Stopped from None
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield


def main() -> None:
    """Run the job named on the first line of stdin; the end of stdin means that the server has ended."""
    first = json.loads(sys.stdin.readline())
    config, closing = WorkerConfig(**first["config"]), threading.Event()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
    if first.get("kind") == "film":
        sandbox.confine()  # before any thread starts, as threads that run already would not be confined

    parent = os.getppid()

    def wait_for_stdin_to_close() -> None:
        sys.stdin.read()
        closing.set()

    def exit_in_time() -> None:
        while os.getppid() == parent and not closing.wait(RENEW_SECONDS):
            pass  # another process may hold stdin open, so the parent is checked as well
        closing.set()
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=wait_for_stdin_to_close, daemon=True).start()
    threading.Thread(target=exit_in_time, daemon=True).start()
    logging.basicConfig(stream=sys.__stderr__, level=logging.WARNING)
    run_job(config, first["id"], first["token"], closing)
    sys.stdout.flush()
    os._exit(0)  # do not wait for threads that block in reads


if __name__ == "__main__":
    main()
