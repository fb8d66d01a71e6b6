"""The process that does one job: niced, with few threads, under a lease; run as `python -m gesso.serving.jobs.work`.

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
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.errors import GessoError, Stopped
from gesso.serving.jobs.space import FIX, LOOK, taken
from gesso.serving.jobs.store import CANCELLED, DONE, FAILED, LEASE, QUEUED, JobStore, Lost
from gesso.serving.refusal import bug, harmless
from gesso.serving.settings import Limits

if TYPE_CHECKING:
    from gesso.marking.marker import Marker
    from gesso.recipes.recipe import Recipe

log = logging.getLogger("gesso.serving")
BEAT = 1.0  # seconds between two tellings of how far it is
NICE = 10
GRACE = 15.0  # seconds to save in, once the server is gone
PATIENCE = 60.0  # seconds to wait for a worker that lost the job and still holds its folder


@dataclass(frozen=True)
class Plan:
    """What a worker must know of its server: where jobs lie, which recipes and weights are meant, how many threads are its own."""

    home: str
    recipes: list[str] | None = None
    weights: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    sign: bool = True
    most_bytes: int = Limits.job_bytes

    def marker(self) -> Marker:
        """A line to a signer of this worker's own, to be closed."""
        from gesso.marking.home import SIGNING
        from gesso.marking.marker import Marker

        return Marker(Path(self.home) / SIGNING, on=self.sign)

    def recipe(self, name: str) -> Recipe:
        from gesso import recipes

        if self.recipes is None:
            return recipes.find(name)
        return next(found for found in map(recipes.find, self.recipes) if found.name == name)

    def folder(self, id: str) -> Path:
        """Where a job's files are: `in`, `out`, `log.txt`. The id is one that the store gave."""
        return Path(self.home) / "jobs" / id

    def weights_of(self, ask: dict[str, Any]) -> Path | str | None:
        """Those that a training made, those that the server was told of, or the shipped ones."""
        if ask.get("weights"):
            return self.folder(ask["weights"]) / "out" / "weights.safetensors"
        return self.weights.get(ask["recipe"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Going:
    """A job on its way: it holds the lease and tells how far it is from a thread of its own, and knows when to stop and why."""

    def __init__(self, store: JobStore, id: str, token: int, path: Path) -> None:
        self.store, self.id, self.token, self._path = store, id, token, path
        self.why = ""  # "cancel", "closing", "full" or "lost"
        self.far: Callable[[], tuple[int, int, str] | None] = lambda: None
        self.full: Callable[[], bool] = lambda: False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Going:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def stop(self) -> bool:
        return bool(self.why)

    def tell(self, done: int, total: int, words: str = "") -> None:
        self.far = lambda: (done, total, words)

    def note(self, words: str) -> None:
        """A line in the job's log, for its owner to read; where the disk is full it is left out, for what it tells must still be told."""
        with contextlib.suppress(OSError), open(self._path / "log.txt", "a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%H:%M:%S')}  {words}\n")

    def renew(self) -> None:
        far = None
        with contextlib.suppress(OSError, ValueError):
            far = self.far()
        more = {} if far is None else {"done": far[0], "total": far[1], "words": far[2]}
        self.why = self.store.renew(self.id, self.token, **more) or self.why  # type: ignore[arg-type]

    def _beat(self) -> None:
        good = looked = time.monotonic()
        while not self._ended.wait(BEAT):
            try:
                self.renew()
                good = time.monotonic()
                if good - looked > LOOK:
                    looked = good
                    self.why = self.why or ("full" if self.full() else "")
            except Lost:
                self.why = "lost"
                return
            except Exception:  # the disk may be full, or another is writing: try again while the lease holds
                log.exception("a job's lease could not be renewed")
                if time.monotonic() - good > LEASE:
                    self.why = "lost"
                    return


def run_job(plan: Plan, id: str, token: int, closing: threading.Event | None = None) -> str:
    """Do a job that was claimed with this token, and tell how it came out; the state it was left in ("lost": another has it)."""
    store = JobStore(Path(plan.home) / "jobs.sqlite", Limits())
    folder = plan.folder(id)
    try:
        with Going(store, id, token, folder) as going:
            going.full = lambda: taken(map(plan.folder, store.beside(id))) > plan.most_bytes
            if closing is not None:
                threading.Thread(target=_close, args=(closing, going), daemon=True).start()
            told = _done(plan, store.ask(id), going, folder)
            with contextlib.suppress(Lost):
                going.renew()  # the last of how far it came
        store.end(id, token, **told)
        return str(told["state"])
    except Lost:
        return "lost"
    finally:
        store.close()


def _close(closing: threading.Event, going: Going) -> None:
    closing.wait()
    going.why = going.why or "closing"


def _done(plan: Plan, ask: dict[str, Any], going: Going, folder: Path) -> dict[str, Any]:
    """How the job came out, in the store's words."""
    from gesso.serving.jobs.verb import VERBS

    try:
        with alone(folder, going), noted(folder):
            told = VERBS[ask["kind"]](plan, ask, going, folder)
        if going.why != "lost":
            going.note("done")  # whatever else was wanted came too late
            return {"state": DONE, **told}
    except Stopped:
        pass
    except GessoError as error:
        what = harmless(f"{error.where}: {error.what}" if error.where else error.what)
        going.note(f"failed: {what}")
        return {"state": FAILED, "what": what, "fix": harmless(error.fix)}
    except Exception as error:
        said = bug(error)
        going.note(f"failed: {said}")
        return {"state": FAILED, "what": said.what, "fix": said.fix}
    if going.why == "lost":
        raise Lost
    if going.why == "full":
        going.note("stopped: there is no room left for jobs")
        return {"state": FAILED, "what": "there is no room left for your jobs", "fix": f"{FIX}; then it goes on"}
    going.note("cancelled" if going.why == "cancel" else "stopped, to go on later")
    return {"state": CANCELLED if going.why == "cancel" else QUEUED}


@contextlib.contextmanager
def alone(folder: Path, going: Going) -> Iterator[None]:
    """Hold the job's folder: a worker that lost the job and does not know it yet must let go of it first."""
    from gesso.storage.lock import locked

    until = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(folder, "another worker"))
                break
            except GessoError:
                if going.stop():
                    raise Stopped from None
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield


@contextlib.contextmanager
def noted(folder: Path) -> Iterator[None]:
    """What verbs tell people on stderr goes to the job's log."""
    with open(folder / "log.txt", "a", encoding="utf-8", errors="replace", buffering=1) as file, contextlib.redirect_stderr(file):
        yield


def main() -> None:
    """One job, said on the first line of stdin; the rest of stdin is the server's life."""
    first = json.loads(sys.stdin.readline())
    plan, closing = Plan(**first["plan"]), threading.Event()
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)

    parent = os.getppid()

    def hear_the_end() -> None:
        sys.stdin.read()
        closing.set()

    def leave_in_time() -> None:
        while os.getppid() == parent and not closing.wait(BEAT):
            pass  # somebody else may hold the other end of stdin open, so its end alone does not say enough
        closing.set()
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=hear_the_end, daemon=True).start()
    threading.Thread(target=leave_in_time, daemon=True).start()
    logging.basicConfig(stream=sys.__stderr__, level=logging.WARNING)
    run_job(plan, first["id"], first["token"], closing)
    sys.stdout.flush()
    os._exit(0)  # threads that read are no reason to wait


if __name__ == "__main__":
    main()
