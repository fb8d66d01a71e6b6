"""The process that talks to Ray, separate from the server because Ray ends a process that loses its cluster for a minute.

Run as `python -m gesso.serving.jobs.ray_driver`: it answers lines of JSON until stdin is closed; a local cluster ends with it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.store import JobStore
from gesso.serving.jobs.worker import NICE, run_job
from gesso.serving.settings import Limits

# Given 127.0.0.1, Ray looks up the machine's address and listens on all interfaces, unless clusters of several machines are disabled.
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
OWN = "local"


def _task(config: dict[str, Any], id: str, token: int) -> str:
    """The Ray task: run one job."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(max(0, NICE - os.nice(0)))  # Ray reuses its workers, and niceness can only increase
    return run_job(WorkerConfig(**config), id, token)


def num_processes(config: dict[str, Any], id: str) -> int:
    """How many processes share a job."""
    store = JobStore(Path(config["home"]) / "jobs.sqlite", Limits())
    try:
        return int(store.spec(id).get("processes", 1))
    finally:
        store.close()


class RayDriver:
    """Connects to the cluster when it is constructed. All calls to the cluster need its token."""

    def __init__(self) -> None:
        # Without an address Ray would look for a cluster in a folder that all users can write to.
        address = os.environ.get("RAY_ADDRESS") or OWN
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads these variables on import
        own: dict[str, Any] = {}
        if address == OWN:  # a local cluster with a token of its own
            os.environ[CLUSTERS] = "0"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
            own = {"include_dashboard": False}
        import ray

        self._ray: Any = ray
        self._tasks: list[Any] = []
        self._places: dict[int, Any] = {}  # task → the reservation of a job of several processes
        ray.init(address=address, namespace="gesso", log_to_driver=False, logging_level=logging.WARNING, **own)
        if own and not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
            ray.shutdown()
            raise GessoError("Ray would listen where other machines reach it", where="jobs", fix="--jobs here, or RAY_ADDRESS")

    def start(self, config: dict[str, Any], id: str, token: int, kind: str) -> int:
        """Submit a job to the cluster; returns the number of its task."""
        threads = config["threads"]
        few = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
        # Ray's retries are off, as leases decide who runs a job. Each Ray worker runs one job, like a local process.
        options = {"num_cpus": threads, "max_retries": 0, "max_calls": 1, "name": f"gesso {kind} {id}"}
        number, processes = len(self._tasks), num_processes(config, id)
        if processes > 1:
            self._places[number], options["scheduling_strategy"] = self._reserve(processes, threads)
        task = self._ray.remote(**options, runtime_env={"env_vars": few | {"PYTHONPATH": path}})(_task)
        self._tasks.append(task.remote(config, id, token))
        return number

    def _reserve(self, processes: int, threads: int) -> tuple[Any, Any]:
        """A reservation for all processes of a job at once, so that no two jobs wait for each other's, and the way to use it."""
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        has = self._ray.cluster_resources().get("CPU", 0)
        if processes * threads > has:
            raise GessoError(f"the cluster has {has:g} CPUs, and the job's {processes} processes need {processes * threads}", where="jobs")
        place = self._ray.util.placement_group([{"CPU": threads}] * processes)
        return place, PlacementGroupSchedulingStrategy(
            place, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
        )  # the job's further processes are tasks of its first one

    def ended(self, task: int) -> bool:
        done, _ = self._ray.wait([self._tasks[task]], timeout=0)
        if done and task in self._places:
            self._ray.util.remove_placement_group(self._places.pop(task))
        return bool(done)

    def kill(self, task: int) -> None:
        self._ray.cancel(self._tasks[task], force=True)

    def close(self) -> None:
        self._ray.shutdown()


def main() -> None:
    """Answer calls until stdin is closed."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # other prints go to stderr, not among the answers
    driver: RayDriver | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if driver is None:
                driver = RayDriver()
            does = asked.pop("does")
            answer = {"value": None if does == "join" else getattr(driver, does)(**asked)}
        except Exception as error:
            answer = {"error": " ".join(str(error).split())[:500] or type(error).__name__}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    if driver is not None:
        driver.close()
    os._exit(0)


if __name__ == "__main__":
    # Import the module by name, as Ray's workers cannot find the task in __main__.
    from gesso.serving.jobs import ray_driver

    ray_driver.main()
