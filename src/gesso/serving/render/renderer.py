"""Rendering: one thread that holds the loaded recipes, fair between drawings, dropping what nobody waits for any more."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
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
    from gesso.verbs.again import Again
    from gesso.verbs.result import Result


Work = Callable[[Callable[[], bool]], Any]


class RenderTicket:
    """A place in the queue_key; `future` has what the work gives."""

    def __init__(self, owner: str, queue_key: Hashable, work: Work, *, reserved: bool = False) -> None:
        self.owner, self.queue_key, self.work, self.reserved = owner, queue_key, work, reserved
        self.future: Future[Any] = Future()
        self._gone = threading.Event()

    def stop(self) -> None:
        """Nobody waits for it any more."""
        self._gone.set()
        self.future.cancel()

    def stopped(self) -> bool:
        return self._gone.is_set()


class Renderer:
    """Owners are served in turn, and of each owner the queues, one piece of work each. `submit` may be called from any thread."""

    def __init__(self, catalogue: Catalogue, limits: Limits, metrics: Metrics) -> None:
        self._catalogue, self._limits, self._metrics = catalogue, limits, metrics
        self._owners: OrderedDict[str, OrderedDict[Hashable, deque[RenderTicket]]] = OrderedDict()
        self._memories: OrderedDict[Hashable, Again] = OrderedDict()
        self._wake = threading.Condition()
        self._closed = False
        self._usual = 1.0  # seconds of one piece of work, a running mean
        self._thread: threading.Thread | None = None
        self._reserved: Counter[str] = Counter()
        self._running = 0
        metrics.gauge("renders_waiting", self.num_waiting)
        metrics.gauge("renders_running", lambda: self._running)

    def submit(self, owner: str, queue_key: Hashable, work: Work) -> RenderTicket:
        """Queue `work(stopped)`; TooMany or Busy, at once, where there is too much of it already."""
        with self._wake:
            self._check_room(owner)
            return self._queue(RenderTicket(owner, queue_key, work))

    @contextmanager
    def reserve(self, owner: str) -> Iterator[Callable[[Hashable, Work], RenderTicket]]:
        """A place in the queue_key before it is known for what: TooMany or Busy before a wish is read, which costs more than to refuse it.

        Inside, what is given queues work. The place is held until the end, so it also bounds how much is read and packed at once.
        """
        with self._wake:
            self._check_room(owner)
            self._reserved[owner] += 1

        def queue(queue_key: Hashable, work: Work) -> RenderTicket:
            with self._wake:
                return self._queue(RenderTicket(owner, queue_key, work, reserved=True))

        try:
            yield queue
        finally:
            with self._wake:
                self._reserved[owner] -= 1
                if not self._reserved[owner]:
                    del self._reserved[owner]

    def _check_room(self, owner: str) -> None:
        self._forget_stopped()
        waiting = self._reserved + Counter(ticket.owner for ticket in self._waiting() if not ticket.reserved)
        retry = max(1, min(60, round(self._usual * waiting.total())))
        if waiting.total() >= self._limits.waiting:
            raise ServerBusy("the server has as much to do as it can", fix=f"try again in {retry} s", retry_after=retry)
        if waiting[owner] >= self._limits.waiting_each:
            raise TooManyRequests("you are waiting for many pictures already", fix=f"try again in {retry} s", retry_after=retry)

    def _queue(self, ticket: RenderTicket) -> RenderTicket:
        self._owners.setdefault(ticket.owner, OrderedDict()).setdefault(ticket.queue_key, deque()).append(ticket)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="render", daemon=True)
            self._thread.start()
        self._wake.notify()
        return ticket

    def render(
        self,
        request: Request,
        memory: Hashable,
        stopped: Callable[[], bool],
        on_output: Callable[[Output], None] | None = None,
        on_draft: Callable[[Result], None] | None = None,
        own: UserWeights | None = None,
    ) -> Result:
        """What the request asks for; only inside a piece of work. `memory` names the drawing whose unchanging parts are kept.

        `own` are weights that stand in for the server's.
        """
        from gesso.verbs.again import Again

        assembled = self._catalogue.assembled(request.recipe, request.preset, own)
        request = pin_weights(assembled, request)
        key = (memory, request.recipe, assembled.preset_name)
        again = self._memories.get(key)
        if again is None or again.assembled is not assembled:
            again = self._memories[key] = Again(assembled)
        self._memories.move_to_end(key)
        while len(self._memories) > self._limits.lines_kept:
            self._memories.popitem(last=False)
        return again.make(request, on_output=on_output, on_draft=on_draft, stop=stopped)

    def num_waiting(self) -> int:
        with self._wake:
            return sum(1 for _ in self._waiting())

    def close(self) -> None:
        """Whatever waits is stopped; what runs ends at its next step."""
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

    def _forget_stopped(self) -> None:
        """While one long piece of work runs, thousands may come and go; what they wanted is not held until their turn."""
        for owner, queues in list(self._owners.items()):
            for queue_key, queue in list(queues.items()):
                queues[queue_key] = deque(ticket for ticket in queue if not ticket.stopped())
                if not queues[queue_key]:
                    del queues[queue_key]
            if not queues:
                del self._owners[owner]

    def _next(self) -> RenderTicket | None:
        """The oldest work of the queue_key whose turn it is, of the owner whose turn it is."""
        with self._wake:
            while not self._closed:
                while self._owners:
                    ticket = self._take(next(iter(self._owners)))
                    if not ticket.stopped() and ticket.future.set_running_or_notify_cancel():
                        return ticket
                self._wake.wait()
            return None

    def _take(self, owner: str) -> RenderTicket:
        """Owner and queue_key go to the end of their queues, or away where nothing is left of them."""
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

    def _serve(self) -> None:
        from gesso.verbs.thread import quiet_blas

        quiet_blas()
        while (ticket := self._next()) is not None:
            began = time.perf_counter()
            self._running = 1
            try:
                made = ticket.work(lambda ticket=ticket: ticket.stopped() or self._closed)  # type: ignore[misc]
            except BaseException as error:
                ticket.future.set_exception(error)
                if isinstance(error, Stopped):
                    self._metrics.increment("renders_stopped")
            else:
                ticket.future.set_result(made)
            self._running = 0
            spent = time.perf_counter() - began
            self._usual += 0.2 * (spent - self._usual)
            self._metrics.observe("render", spent)
            del ticket


def with_deadline(seconds: float, stopped: Callable[[], bool]) -> Callable[[], bool]:
    """`stopped`, but GessoError once the time is up."""
    end = time.monotonic() + seconds

    def check() -> bool:
        if time.monotonic() > end:
            raise GessoError(f"this takes longer than {seconds:.0f} s", where="settings", fix="ask for fewer steps, or a smaller size")
        return stopped()

    return check
