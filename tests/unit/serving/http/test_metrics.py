"""Metrics: one registry for each app, and the names and numbers that dashboards read."""

from __future__ import annotations

from types import SimpleNamespace

import prometheus_client

from gesso.serving.http.metrics import Metrics


def test_the_text_has_the_known_names_and_no_times_of_creation():
    metrics = Metrics()
    metrics.count_response({"method": "GET", "route": SimpleNamespace(path="/api/a")}, 200)
    metrics.count_response({"method": "BREW"}, 405)
    metrics.increment("live_errors", 2)
    metrics.observe("render", 0.1)
    metrics.gauge("sockets", lambda: 3)
    lines = metrics.exposition().splitlines()
    assert {
        "# TYPE gesso_requests_total counter",
        'gesso_requests_total{method="GET",path="/api/a",status="200"} 1.0',
        'gesso_requests_total{method="other",path="none",status="405"} 1.0',
        "gesso_live_errors_total 2.0",
        "# TYPE gesso_render_seconds histogram",
        'gesso_render_seconds_bucket{le="0.06"} 0.0',
        'gesso_render_seconds_bucket{le="0.15"} 1.0',
        'gesso_render_seconds_bucket{le="+Inf"} 1.0',
        "gesso_render_seconds_count 1.0",
        "gesso_sockets 3.0",
    } <= set(lines)
    assert not [line for line in lines if "_created" in line]
    assert metrics.count("live_errors") == 2 and metrics.count("never") == 0


def test_two_apps_share_nothing():
    one, other = Metrics(), Metrics()
    one.increment("live_errors")
    one.gauge("sockets", lambda: 1)
    other.gauge("sockets", lambda: 2)
    assert "live_errors" not in other.exposition() and "gesso_sockets 2.0" in other.exposition()
    assert b"gesso_" not in prometheus_client.generate_latest()
