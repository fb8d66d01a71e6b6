"""The process that does one job: niced, with few threads, under a lease; run as `python -m gesso.serving.jobs.worker`.

Its first line on stdin says which job. When stdin ends (the server is gone) it saves what it has, puts the job back and ends; when
it is killed the lease runs out and another takes the job, which goes on from the last checkpoint or the last drawing.
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
from gesso.serving.http_errors import internal_error, redacted
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.lease import RENEW_SECONDS, JobLease
from gesso.serving.jobs.quota import FIX, used_bytes
from gesso.serving.jobs.store import CANCELLED, DONE, FAILED, QUEUED, JobStore, LeaseLost
from gesso.serving.settings import Limits

log = logging.getLogger("gesso.serving")
NICE = 10
GRACE = 15.0  # seconds to save in, once the server is gone
PATIENCE = 60.0  # seconds to wait for a worker that lost the job and still holds its folder


def run_job(config: WorkerConfig, id: str, token: int, closing: threading.Event | None = None) -> str:
    """Do a job that was claimed with this token, and tell how it came out; the state it was left in ("lost": another has it)."""
    store = JobStore(Path(config.home) / "jobs.sqlite", Limits())
    folder = config.folder(id)
    try:
        with JobLease(store, id, token, folder) as lease:
            lease.over_quota = lambda: used_bytes(map(config.folder, store.ids_of_same_owner(id))) > config.most_bytes
            if closing is not None:
                threading.Thread(target=_close, args=(closing, lease), daemon=True).start()
            told = _run_handler(config, store.spec(id), lease, folder)
            with contextlib.suppress(LeaseLost):
                lease.renew()  # the last of how far it came
        store.end(id, token, **told)
        return str(told["state"])
    except LeaseLost:
        return "lost"
    finally:
        store.close()


def _close(closing: threading.Event, lease: JobLease) -> None:
    closing.wait()
    lease.stop_reason = lease.stop_reason or "closing"


def _run_handler(config: WorkerConfig, spec: dict[str, Any], lease: JobLease, folder: Path) -> dict[str, Any]:
    """How the job came out, in the store's words."""
    from gesso.serving.jobs.handlers import HANDLERS

    try:
        with folder_held(folder, lease), stderr_to_log(folder):
            told = HANDLERS[spec["kind"]](config, spec, lease, folder)
        if lease.stop_reason != "lost":
            lease.log("done")  # whatever else was wanted came too late
            return {"state": DONE, **told}
    except Stopped:
        pass
    except GessoError as error:
        what = redacted(f"{error.where}: {error.what}" if error.where else error.what)
        lease.log(f"failed: {what}")
        return {"state": FAILED, "what": what, "fix": redacted(error.fix)}
    except Exception as error:
        said = internal_error(error)
        lease.log(f"failed: {said}")
        return {"state": FAILED, "what": said.what, "fix": said.fix}
    if lease.stop_reason == "lost":
        raise LeaseLost
    if lease.stop_reason == "full":
        lease.log("stopped: there is no room left for jobs")
        return {"state": FAILED, "what": "there is no room left for your jobs", "fix": f"{FIX}; then it goes on"}
    lease.log("cancelled" if lease.stop_reason == "cancel" else "stopped, to go on later")
    return {"state": CANCELLED if lease.stop_reason == "cancel" else QUEUED}


@contextlib.contextmanager
def folder_held(folder: Path, lease: JobLease) -> Iterator[None]:
    """Hold the job's folder: a worker that lost the job and does not know it yet must let go of it first."""
    from gesso.training.lock import locked

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


@contextlib.contextmanager
def stderr_to_log(folder: Path) -> Iterator[None]:
    """What verbs tell people on stderr goes to the job's log."""
    with open(folder / "log.txt", "a", encoding="utf-8", errors="replace", buffering=1) as file, contextlib.redirect_stderr(file):
        yield


def main() -> None:
    """One job, said on the first line of stdin; the rest of stdin is the server's life."""
    first = json.loads(sys.stdin.readline())
    config, closing = WorkerConfig(**first["plan"]), threading.Event()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)

    parent = os.getppid()

    def hear_the_end() -> None:
        sys.stdin.read()
        closing.set()

    def leave_in_time() -> None:
        while os.getppid() == parent and not closing.wait(RENEW_SECONDS):
            pass  # somebody else may hold the other end of stdin open, so its end alone does not say enough
        closing.set()
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=hear_the_end, daemon=True).start()
    threading.Thread(target=leave_in_time, daemon=True).start()
    logging.basicConfig(stream=sys.__stderr__, level=logging.WARNING)
    run_job(config, first["id"], first["token"], closing)
    sys.stdout.flush()
    os._exit(0)  # threads that read are no reason to wait


if __name__ == "__main__":
    main()
