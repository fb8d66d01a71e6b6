"""Counters, histograms and gauges of a server, in the Prometheus text format."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from starlette.types import Scope

BOUNDS = (0.03, 0.06, 0.15, 0.4, 0.8, 2.0, 10.0)  # of the histograms' buckets, in seconds


class Metrics:
    """Thread-safe. Labels never hold text from users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._events: Counter[str] = Counter()
        self._histograms: dict[str, list[float]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    def count_response(self, scope: Scope, status: int) -> None:
        route = scope.get("route")
        path = str(getattr(route, "path", "none"))
        method = scope.get("method", "SOCKET")
        with self._lock:
            self._requests[path, method if method in METHODS else "other", status] += 1

    def increment(self, event: str, num: int = 1) -> None:
        with self._lock:
            self._events[event] += num

    def observe(self, what: str, seconds: float) -> None:
        with self._lock:
            buckets = self._histograms.setdefault(what, [0.0] * (len(BOUNDS) + 2))
            for place, bound in enumerate(BOUNDS):
                buckets[place] += seconds <= bound
            buckets[-2] += 1
            buckets[-1] += seconds

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        self._gauges[name] = read

    def exposition(self) -> str:
        with self._lock:
            lines = ["# TYPE gesso_requests_total counter"]
            for (path, method, status), num in sorted(self._requests.items()):
                lines.append(f'gesso_requests_total{{path="{path}",method="{method}",status="{status}"}} {num}')
            for event, num in sorted(self._events.items()):
                lines += [f"# TYPE gesso_{event}_total counter", f"gesso_{event}_total {num}"]
            for what, buckets in sorted(self._histograms.items()):
                lines.append(f"# TYPE gesso_{what}_seconds histogram")
                lines += [f'gesso_{what}_seconds_bucket{{le="{b}"}} {n:.0f}' for b, n in zip(BOUNDS, buckets, strict=False)]
                lines.append(f'gesso_{what}_seconds_bucket{{le="+Inf"}} {buckets[-2]:.0f}')
                lines += [f"gesso_{what}_seconds_count {buckets[-2]:.0f}", f"gesso_{what}_seconds_sum {buckets[-1]:.6f}"]
        for name, read in sorted(self._gauges.items()):
            lines += [f"# TYPE gesso_{name} gauge", f"gesso_{name} {read():g}"]
        return "\n".join(lines) + "\n"


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "SOCKET"})
