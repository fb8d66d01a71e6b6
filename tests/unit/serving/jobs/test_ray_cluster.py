"""The line to the process that speaks with Ray, with one that only says it does: its end is a task's end, never the server's."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from gesso.errors import GessoError, MissingExtra
from gesso.serving.jobs import ray_cluster
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.ray_cluster import RayCluster

DRIVER = """
import json, os, sys
looks = 0
for line in sys.stdin:
    asked = json.loads(line)
    does, told = asked["does"], {"value": None}
    if does == "start":
        assert asked["config"]["home"] == "home" and asked["token"] == 3
        told = {"value": 0} if asked["id"] != "refused" else {"error": "no room"}
    elif does == "ended":
        looks += 1
        told = {"value": looks > 1}
    elif does == "kill":
        os._exit(9)
    print(json.dumps(told), flush=True)
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayCluster]:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(ray_cluster, "PROGRAM", ("-c", DRIVER))
    made = RayCluster()
    yield made
    made.close()


def job(id: str = "a") -> Any:
    return SimpleNamespace(id=id, token=3, kind="batch")


def test_a_task_is_started_and_ends(cluster: RayCluster):
    cluster.join()
    task = cluster.start(WorkerConfig("home"), job())
    assert not task.ended() and task.ended()
    with pytest.raises(GessoError, match="Ray says: no room"):
        cluster.start(WorkerConfig("home"), job("refused"))


def test_a_lost_cluster_ends_its_tasks_and_another_is_joined(cluster: RayCluster):
    task = cluster.start(WorkerConfig("home"), job())
    first = cluster._driver
    task.kill()  # and the driver with it
    assert task.ended()
    cluster.join()
    assert cluster._driver is not first and task.ended(), "a number of the old one means nothing to the new"
    assert not cluster.start(WorkerConfig("home"), job()).ended()


def test_it_ends_with_the_server(cluster: RayCluster):
    cluster.join()
    driver = cluster._driver
    assert driver is not None
    cluster.close()
    assert driver.returncode == 0
    cluster.close()


def test_the_driver_is_told_of_rays_token_and_of_no_other(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GESSO_TOKEN", "secret")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    told = "import json, os, sys\nfor line in sys.stdin: print(json.dumps({'value': sorted(os.environ)}), flush=True)"
    monkeypatch.setattr(ray_cluster, "PROGRAM", ("-c", told))
    names = cluster._call("join")
    assert "RAY_AUTH_TOKEN" in names and "GESSO_TOKEN" not in names and os.environ["GESSO_TOKEN"]


def test_without_ray_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="dist"):
        RayCluster()
