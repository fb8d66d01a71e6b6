"""The same jobs on Ray: a job that was taken becomes a task of a cluster; store, lease and token are the same.

The cluster is the one that RAY_ADDRESS names, or one of this machine that ends with the server. All its machines must see the
folder that jobs lie in. Ray's own retries are off: a lease that runs out is what makes a job be taken again.
"""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path
from typing import Any

from gesso.errors import MissingExtra
from gesso.serving.jobs.store import Job
from gesso.serving.jobs.work import NICE, Plan


def _task(plan: dict[str, Any], id: str, token: int) -> str:
    """What runs on the cluster."""
    import contextlib

    from gesso.serving.jobs.work import run_job

    with contextlib.suppress(AttributeError, OSError):
        os.nice(max(0, NICE - os.nice(0)))  # Ray's workers are used again, and niceness only grows
    return run_job(Plan(**plan), id, token)


class Cluster:
    """Joined when the first job is started. Every call to it is behind its token."""

    def __init__(self, home: Path) -> None:
        self._home, self._lock, self._ray = home, threading.Lock(), None
        _ray()  # say what is missing when the server starts, not when the first job does

    def start(self, plan: Plan, job: Job) -> Task:
        ray = self._joined()
        few = {name: str(plan.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        more = {"num_cpus": plan.threads, "max_retries": 0, "max_calls": 1, "name": f"gesso {job.kind} {job.id}"}
        path = os.pathsep.join(os.path.abspath(one) for one in _paths())
        remote = ray.remote(**more, runtime_env={"env_vars": few | {"PYTHONPATH": path}})(_task)
        return Task(ray, remote.remote(plan.to_json(), job.id, job.token))

    def _joined(self) -> Any:
        with self._lock:
            if self._ray is None:
                ray = _ray()
                os.environ.setdefault("RAY_AUTH_MODE", "token")
                address = os.environ.get("RAY_ADDRESS")
                if not address:  # a cluster of our own, and so is its token
                    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
                own = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
                if not ray.is_initialized():
                    ray.init(address=address, namespace="gesso", log_to_driver=False, logging_level="warning", **own)
                self._ray = ray
            return self._ray


class Task:
    """A job on the cluster."""

    def __init__(self, ray: Any, ref: Any) -> None:
        self._ray, self._ref = ray, ref

    def ended(self) -> bool:
        done, _ = self._ray.wait([self._ref], timeout=0)
        return bool(done)

    def close(self) -> None:
        """Nothing to ask by: the server's end ends a cluster of its own, and in another the job goes on under its lease."""

    def kill(self) -> None:
        self._ray.cancel(self._ref, force=True)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", "dist", purpose="running jobs on Ray") from error
    return ray


def _paths() -> list[str]:
    import sys

    return [one for one in sys.path if one]
