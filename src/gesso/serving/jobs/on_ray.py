"""The same jobs on Ray: a job that was taken becomes a task of a cluster; store, lease and token are the same.

The cluster is the one that RAY_ADDRESS names, or one of this machine that ends with the server. All its machines must see the
folder that jobs lie in. Ray's own retries are off: a lease that runs out is what makes a job be taken again.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
import threading
from typing import Any

from gesso.errors import GessoError, MissingExtra
from gesso.serving.jobs.store import Job
from gesso.serving.jobs.work import NICE, Plan

# Ray takes 127.0.0.1 for a wish to be told the machine's address, and listens on all of them, unless it may not have several machines.
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


def _task(plan: dict[str, Any], id: str, token: int) -> str:
    """What runs on the cluster."""
    import contextlib

    from gesso.serving.jobs.work import run_job

    with contextlib.suppress(AttributeError, OSError):
        os.nice(max(0, NICE - os.nice(0)))  # Ray's workers are used again, and niceness only grows
    return run_job(Plan(**plan), id, token)


class Cluster:
    """Joined when the first job waits. Every call to it is behind its token."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads both when it is imported
        if os.environ.get("RAY_ADDRESS", "local") in ("", "local"):
            os.environ[CLUSTERS] = "0"
        self._ray, self._joined = _ray(), False  # what is missing is said when the server starts, not when the first job does

    def join(self) -> None:
        with self._lock:
            if self._joined:
                return
            # Without an address Ray would look into a folder that anybody may write for a cluster to join.
            address = os.environ.get("RAY_ADDRESS") or "local"
            own: dict[str, Any] = {}
            if address == "local":  # a cluster of our own, and so is its token
                os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
                own = {"include_dashboard": False}
            self._ray.init(
                address=address, namespace="gesso", log_to_driver=False, logging_level="warning", ignore_reinit_error=True, **own
            )
            if own and not ipaddress.ip_address(self._ray.util.get_node_ip_address()).is_loopback:
                self._ray.shutdown()
                raise GessoError("Ray would listen where other machines reach it", where="jobs", fix="--jobs here, or RAY_ADDRESS")
            self._joined = True

    def start(self, plan: Plan, job: Job) -> Task:
        self.join()
        few = {name: str(plan.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
        # Its own retries are off: the lease decides who does a job. A worker does one, as a process here does.
        task = self._ray.remote(
            num_cpus=plan.threads,
            max_retries=0,
            max_calls=1,
            name=f"gesso {job.kind} {job.id}",
            runtime_env={"env_vars": few | {"PYTHONPATH": path}},
        )(_task)
        return Task(self._ray, task.remote(plan.to_json(), job.id, job.token))


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
