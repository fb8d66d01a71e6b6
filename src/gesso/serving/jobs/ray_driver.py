"""The process that speaks with Ray: what becomes of a cluster (Ray ends whoever has lost one for a minute) is no matter of the server's.

Run as `python -m gesso.serving.jobs.ray_driver`: a line of JSON in, a line out, until stdin ends; a cluster of our own ends with it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import secrets
import sys
from typing import Any

from gesso.errors import GessoError
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.worker import NICE, run_job

# Ray takes 127.0.0.1 for a wish to be told the machine's address, and listens on all of them, unless it may not have several machines.
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
OWN = "local"


def _task(config: dict[str, Any], id: str, token: int) -> str:
    """What runs on the cluster."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(max(0, NICE - os.nice(0)))  # Ray's workers are used again, and niceness only grows
    return run_job(WorkerConfig(**config), id, token)


class RayDriver:
    """Joined to the cluster when it is made. Every call to that is behind its token."""

    def __init__(self) -> None:
        # Without an address Ray would look into a folder that anybody may write for a cluster to join.
        address = os.environ.get("RAY_ADDRESS") or OWN
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads these when it is imported
        own: dict[str, Any] = {}
        if address == OWN:  # a cluster of our own, and so is its token
            os.environ[CLUSTERS] = "0"
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_urlsafe(32))
            own = {"include_dashboard": False}
        import ray

        self._ray: Any = ray
        self._tasks: list[Any] = []
        ray.init(address=address, namespace="gesso", log_to_driver=False, logging_level=logging.WARNING, **own)
        if own and not ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback:
            ray.shutdown()
            raise GessoError("Ray would listen where other machines reach it", where="jobs", fix="--jobs here, or RAY_ADDRESS")

    def start(self, config: dict[str, Any], id: str, token: int, kind: str) -> int:
        """Hand a job to the cluster; the task's number."""
        threads = config["threads"]
        few = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        path = os.pathsep.join(os.path.abspath(one) for one in sys.path if one)
        # Its own retries are off: the lease decides who does a job. A worker does one, as a process here does.
        task = self._ray.remote(
            num_cpus=threads,
            max_retries=0,
            max_calls=1,
            name=f"gesso {kind} {id}",
            runtime_env={"env_vars": few | {"PYTHONPATH": path}},
        )(_task)
        self._tasks.append(task.remote(config, id, token))
        return len(self._tasks) - 1

    def ended(self, task: int) -> bool:
        done, _ = self._ray.wait([self._tasks[task]], timeout=0)
        return bool(done)

    def kill(self, task: int) -> None:
        self._ray.cancel(self._tasks[task], force=True)

    def close(self) -> None:
        self._ray.shutdown()


def main() -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is no answer
    driver: RayDriver | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if driver is None:
                driver = RayDriver()
            does = asked.pop("does")
            told = {"value": None if does == "join" else getattr(driver, does)(**asked)}
        except Exception as error:
            told = {"error": " ".join(str(error).split())[:500] or type(error).__name__}
        answers.write(json.dumps(told) + "\n")
        answers.flush()
    if driver is not None:
        driver.close()
    os._exit(0)


if __name__ == "__main__":
    # Ray would look for the task in __main__, which its workers have not.
    from gesso.serving.jobs import driver

    driver.main()
