"""Rendering: one thread runs the networks, serves users and drawings in turn, and drops cancelled work."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gesso.errors import GessoError, Stopped
from gesso.serving.catalogue.recipe_catalogue import Catalogue, pin_weights
from gesso.serving.http.metrics import Metrics
from gesso.serving.http_errors import ServerBusy, TooManyRequests
from gesso.serving.settings import Limits

if TYPE_CHECKING:
    from gesso.families.family import Output
    from gesso.request import Request
    from gesso.serving.storage.user_weights import UserWeights
    from gesso.verbs.incremental import IncrementalModel
    from gesso.verbs.result import Result


RENDER_SECONDS = 600.0  # after which a render is refused


@dataclass(frozen=True)
class RenderJob:
    """A render of `request`, with the server's weights or with the owner's own.

    `memory` names the drawing whose intermediate results are reused. `on_output` is called with each preview, `on_draft` with a result
    made before the networks run; both in the render thread.
    """

    owner: str
    request: Request
    memory: Hashable
    on_output: Callable[[Output], None] | None = None
    on_draft: Callable[[Result], None] | None = None


Work = Callable[[Callable[[], bool]], Any]  # called in the render thread with `stopped`, which is true if the result is not needed
FindWeights = Callable[[str, "Request"], "UserWeights | None"]  # the owner's own weights that a request names


class RenderTicket:
    """Queued work and the future of its result."""

    def __init__(self, owner: str, queue_key: Hashable, work: Work | RenderJob, *, reserved: bool = False) -> None:
        self.owner, self.queue_key, self.work, self.reserved = owner, queue_key, work, reserved
        self.future: Future[Any] = Future()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Cancel the work: its result is not needed any more."""
        self._stopped.set()
        self.future.cancel()

    def stopped(self) -> bool:
        return self._stopped.is_set()


class Renderer:
    """Owners take turns, and so do the queues of each owner. `submit` may be called from any thread.

    By hand: `queue` and executors of the standard library serve in one order, and cannot drop cancelled work or take turns.
    """

    def __init__(self, catalogue: Catalogue, limits: Limits, metrics: Metrics, find_weights: FindWeights | None = None) -> None:
        self._catalogue, self._limits, self._metrics, self._find_weights = catalogue, limits, metrics, find_weights
        self._owners: OrderedDict[str, OrderedDict[Hashable, deque[RenderTicket]]] = OrderedDict()
        self._memories: OrderedDict[Hashable, IncrementalModel] = OrderedDict()
        self._wake = threading.Condition()
        self._closed = False
        self._mean_seconds = 1.0  # seconds of one render, a running mean
        self._thread: threading.Thread | None = None
        self._reserved: Counter[str] = Counter()
        self._running = 0
        metrics.gauge("renders_waiting", self.num_waiting)
        metrics.gauge("renders_running", lambda: self._running)

    def submit(self, owner: str, queue_key: Hashable, work: Work | RenderJob) -> RenderTicket:
        """Queue a render, or `work(stopped)`; TooManyRequests or ServerBusy at once if the queue is full."""
        with self._wake:
            self._check_capacity(owner)
            return self._queue(RenderTicket(owner, queue_key, work))

    @contextmanager
    def reserve(self, owner: str) -> Iterator[Callable[[Hashable, Work | RenderJob], RenderTicket]]:
        """Reserve a queue slot before parsing, which costs more than refusing; TooManyRequests or ServerBusy if none is free.

        Gives a function that queues work into the slot. The slot is held until the end of the context, so it also limits how many
        requests are parsed and encoded at once.
        """
        with self._wake:
            self._check_capacity(owner)
            self._reserved[owner] += 1

        def queue(queue_key: Hashable, work: Work | RenderJob) -> RenderTicket:
            with self._wake:
                return self._queue(RenderTicket(owner, queue_key, work, reserved=True))

        try:
            yield queue
        finally:
            with self._wake:
                self._reserved[owner] -= 1
                if not self._reserved[owner]:
                    del self._reserved[owner]

    def _check_capacity(self, owner: str) -> None:
        self._drop_stopped()
        waiting = self._reserved + Counter(ticket.owner for ticket in self._waiting() if not ticket.reserved)
        retry = max(1, min(60, round(self._mean_seconds * waiting.total())))
        if waiting.total() >= self._limits.waiting:
            raise ServerBusy("the server has as much to do as it can", fix=f"try again in {retry} s", retry_after=retry)
        if waiting[owner] >= self._limits.waiting_each:
            raise TooManyRequests("you are waiting for many pictures already", fix=f"try again in {retry} s", retry_after=retry)

    def _queue(self, ticket: RenderTicket) -> RenderTicket:
        self._owners.setdefault(ticket.owner, OrderedDict()).setdefault(ticket.queue_key, deque()).append(ticket)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="render", daemon=True)
            self._thread.start()
        self._wake.notify()
        return ticket

    def render(self, job: RenderJob, stopped: Callable[[], bool]) -> Result:
        """The result of a job; for the render thread only."""
        from gesso.verbs.incremental import IncrementalModel

        request, own = job.request, None
        if self._find_weights is not None and request.weights.get(request.recipe):
            own = self._find_weights(job.owner, request)
        assembled = self._catalogue.assembled(request.recipe, request.preset, own)
        request = pin_weights(assembled, request)
        key = (job.memory, request.recipe, assembled.preset_name)
        model = self._memories.get(key)
        if model is None or model.assembled is not assembled:
            model = self._memories[key] = IncrementalModel(assembled)
        self._memories.move_to_end(key)
        while len(self._memories) > self._limits.lines_kept:
            self._memories.popitem(last=False)
        stop = with_deadline(RENDER_SECONDS, stopped)
        return model.make(request, on_output=job.on_output, on_draft=job.on_draft, stop=stop)

    def num_waiting(self) -> int:
        with self._wake:
            return sum(1 for _ in self._waiting())

    def close(self) -> None:
        """Cancel waiting work; the running render ends at its next step."""
        with self._wake:
            self._closed = True
            for ticket in self._waiting():
                ticket.stop()
            self._owners.clear()
            self._wake.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5)

    def _waiting(self) -> Iterator[RenderTicket]:
        return (ticket for queues in self._owners.values() for queue in queues.values() for ticket in queue)

    def _drop_stopped(self) -> None:
        """Drop cancelled tickets at once, not when their turn comes: during one long render, thousands may be cancelled."""
        for owner, queues in list(self._owners.items()):
            for queue_key, queue in list(queues.items()):
                queues[queue_key] = deque(ticket for ticket in queue if not ticket.stopped())
                if not queues[queue_key]:
                    del queues[queue_key]
            if not queues:
                del self._owners[owner]

    def _next(self) -> RenderTicket | None:
        """Wait for the next ticket: the oldest of the next queue of the next owner."""
        with self._wake:
            while not self._closed:
                while self._owners:
                    ticket = self._take(next(iter(self._owners)))
                    if not ticket.stopped() and ticket.future.set_running_or_notify_cancel():
                        return ticket
                self._wake.wait()
            return None

    def _take(self, owner: str) -> RenderTicket:
        """Take a ticket; its owner and its queue move to the end, or are removed if they are empty."""
        queues = self._owners[owner]
        queue_key, queue = next(iter(queues.items()))
        ticket = queue.popleft()
        queues.move_to_end(queue_key)
        self._owners.move_to_end(owner)
        if not queue:
            del queues[queue_key]
        if not queues:
            del self._owners[owner]
        return ticket

    def _do(self, ticket: RenderTicket) -> Any:
        def stopped() -> bool:
            return ticket.stopped() or self._closed

        return self.render(ticket.work, stopped) if isinstance(ticket.work, RenderJob) else ticket.work(stopped)

    def _run(self) -> None:
        from gesso.verbs.thread import quiet_blas

        quiet_blas()
        while (ticket := self._next()) is not None:
            began = time.perf_counter()
            self._running = 1
            try:
                made = self._do(ticket)
            except BaseException as error:
                ticket.future.set_exception(error)
                if isinstance(error, Stopped):
                    self._metrics.increment("renders_stopped")
            else:
                ticket.future.set_result(made)
            self._running = 0
            spent = time.perf_counter() - began
            self._mean_seconds += 0.2 * (spent - self._mean_seconds)
            self._metrics.observe("render", spent)
            del ticket


def with_deadline(seconds: float, stopped: Callable[[], bool]) -> Callable[[], bool]:
    """`stopped`, but GessoError once the time is over."""
    end = time.monotonic() + seconds

    def check() -> bool:
        if time.monotonic() > end:
            raise GessoError(f"this takes longer than {seconds:.0f} s", where="settings", fix="ask for fewer steps, or a smaller size")
        return stopped()

    return check
