"""Jobs on a Ray cluster: a claimed job becomes a Ray task; store, lease and token work as for local processes.

The cluster is the one in RAY_ADDRESS, or a local one that ends with the server. All its machines must share the folder of the jobs.
Ray's own retries are off: a job is retried when its lease expires.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from typing import Any

from gesso.errors import GessoError, MissingExtra
from gesso.serving.jobs.config import WorkerConfig
from gesso.serving.jobs.scheduler import worker_environment
from gesso.serving.jobs.store import Job

BEGIN_GRACE = 120.0  # seconds for a cluster to start
PATIENCE = 30.0  # seconds for an answer
CLOSE_GRACE = 5.0  # seconds for the driver to end
PROGRAM = ("-m", "gesso.serving.jobs.ray_driver")


class RayCluster:
    """Talks to the driver process, which is started for the first waiting job, and again if it died."""

    def __init__(self) -> None:
        if importlib.util.find_spec("ray") is None:  # reported at the start of the server, not of the first job
            raise MissingExtra("ray", "dist", purpose="running jobs on Ray")
        self._lock = threading.Lock()
        self._driver: subprocess.Popen[bytes] | None = None

    def join(self) -> None:
        """Connect to the cluster; GessoError if that fails."""
        self._call("join")

    def start(self, config: WorkerConfig, job: Job) -> RayTask:
        number = self._call("start", config=config.to_json(), id=job.id, token=job.token, kind=job.kind)
        return RayTask(self, self._driver, number)

    def call(self, driver: Any, does: str, task: int) -> Any:
        """Call a method of the driver for a task; GessoError if the task's driver has died or does not answer."""
        if self._driver is None or driver is not self._driver or self._driver.poll() is not None:
            raise GessoError("the cluster was lost", where="jobs")
        return self._call(does, task=task)

    def close(self) -> None:
        """End the driver, and with it a local cluster."""
        with self._lock:
            driver, self._driver = self._driver, None
            if driver is None:
                return
            assert driver.stdin is not None and driver.stdout is not None
            driver.stdin.close()
            try:
                driver.wait(CLOSE_GRACE)
            except subprocess.TimeoutExpired:
                driver.kill()
                driver.wait()
            driver.stdout.close()

    def _call(self, does: str, **more: Any) -> Any:
        with self._lock:
            driver = self._started()
            assert driver.stdin is not None and driver.stdout is not None
            clock = threading.Timer(BEGIN_GRACE if does == "join" else PATIENCE, driver.kill)
            clock.daemon = True
            clock.start()
            try:
                driver.stdin.write(json.dumps({"does": does, **more}).encode() + b"\n")
                driver.stdin.flush()
                answer = json.loads(driver.stdout.readline())
            except (OSError, ValueError):
                driver.kill()
                driver.wait()
                raise GessoError("the cluster was lost", where="jobs", fix="it is joined again in a moment") from None
            finally:
                clock.cancel()
        if "error" in answer:
            raise GessoError(f"Ray says: {answer['error']}", where="jobs")
        return answer["value"]

    def _started(self) -> subprocess.Popen[bytes]:
        if self._driver is None or self._driver.poll() is not None:
            rays = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}  # including Ray's token
            self._driver = subprocess.Popen(
                [sys.executable, *PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=worker_environment(1) | rays,
                start_new_session=True,  # Ctrl-C goes to the server only
            )
        return self._driver


class RayTask:
    """A job on the cluster, as the scheduler sees it."""

    def __init__(self, cluster: RayCluster, driver: Any, number: int) -> None:
        self._cluster, self._driver, self._number = cluster, driver, number

    def ended(self) -> bool:
        """Also true if the cluster was lost: if the task still runs, its lease expires and its changes are refused."""
        try:
            return bool(self._cluster.call(self._driver, "ended", self._number))
        except GessoError:
            return True

    def close(self) -> None:
        """No effect: a local cluster ends with the server, and on another cluster the job continues under its lease."""

    def kill(self) -> None:
        try:
            self._cluster.call(self._driver, "kill", self._number)
        except GessoError:
            return
