"""Counters, histograms and gauges of a server, in the Prometheus text format."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from starlette.types import Scope

BOUNDS = (0.03, 0.06, 0.15, 0.4, 0.8, 2.0, 10.0)  # of the histograms' buckets, in seconds
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "SOCKET"})


class Metrics:
    """The metrics of one app, in a registry of its own. Thread-safe. Labels never hold text from users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registry = CollectorRegistry()
        self._requests = Counter("gesso_requests", "Responses", ("path", "method", "status"), registry=self._registry)
        self._events: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def count_response(self, scope: Scope, status: int) -> None:
        path = str(getattr(scope.get("route"), "path", "none"))
        method = scope.get("method", "SOCKET")
        self._requests.labels(path, method if method in METHODS else "other", status).inc()

    def increment(self, event: str, num: int = 1) -> None:
        with self._lock:
            if event not in self._events:
                self._events[event] = Counter(f"gesso_{event}", _sentence(event), registry=self._registry)
        self._events[event].inc(num)

    def count(self, event: str) -> int:
        """How often an event was counted."""
        return int(self._registry.get_sample_value(f"gesso_{event}_total") or 0)

    def observe(self, what: str, seconds: float) -> None:
        with self._lock:
            if what not in self._histograms:
                help = _sentence(what) + ", in seconds"
                self._histograms[what] = Histogram(f"gesso_{what}_seconds", help, buckets=BOUNDS, registry=self._registry)
        self._histograms[what].observe(seconds)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        Gauge(f"gesso_{name}", _sentence(name), registry=self._registry).set_function(read)

    def exposition(self) -> str:
        return generate_latest(_WithoutCreated(self._registry)).decode()


class _WithoutCreated(CollectorRegistry):
    """A view of a registry without the series of creation times, which the library can only switch off for the whole process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


def _sentence(name: str) -> str:
    return name.replace("_", " ").capitalize()
