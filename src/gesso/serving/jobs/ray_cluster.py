"""The same jobs on Ray: a job that was taken becomes a task of a cluster; store, lease and token are the same.

The cluster is the one that RAY_ADDRESS names, or one of this machine that ends with the server. All its machines must see the
folder that jobs lie in. Ray's own retries are off: a lease that runs out is what makes a job be taken again.
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

BEGIN_GRACE = 120.0  # seconds for a cluster to begin
PATIENCE = 30.0  # and to say anything
CLOSE_GRACE = 5.0  # and to end
PROGRAM = ("-m", "gesso.serving.jobs.ray_driver")


class RayCluster:
    """A line to the process that speaks with Ray, which is started when the first job waits, and again where it died."""

    def __init__(self) -> None:
        if importlib.util.find_spec("ray") is None:  # said when the server starts, not when the first job does
            raise MissingExtra("ray", "dist", purpose="running jobs on Ray")
        self._lock = threading.Lock()
        self._driver: subprocess.Popen[bytes] | None = None

    def join(self) -> None:
        """GessoError where no cluster can be joined."""
        self._call("join")

    def start(self, config: WorkerConfig, job: Job) -> RayTask:
        number = self._call("start", config=config.to_json(), id=job.id, token=job.token, kind=job.kind)
        return RayTask(self, self._driver, number)

    def spec(self, driver: Any, does: str, task: int) -> Any:
        """Of a task; GessoError where its driver is not this one any more, or does not answer."""
        if self._driver is None or driver is not self._driver or self._driver.poll() is not None:
            raise GessoError("the cluster was lost", where="jobs")
        return self._call(does, task=task)

    def close(self) -> None:
        """The driver ends, and with it a cluster of our own."""
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
                told = json.loads(driver.stdout.readline())
            except (OSError, ValueError):
                driver.kill()
                driver.wait()
                raise GessoError("the cluster was lost", where="jobs", fix="it is joined again in a moment") from None
            finally:
                clock.cancel()
        if "error" in told:
            raise GessoError(f"Ray says: {told['error']}", where="jobs")
        return told["value"]

    def _started(self) -> subprocess.Popen[bytes]:
        if self._driver is None or self._driver.poll() is not None:
            rays = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}  # its token among them
            self._driver = subprocess.Popen(
                [sys.executable, *PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=worker_environment(1) | rays,
                start_new_session=True,  # Ctrl-C is the server's to hear
            )
        return self._driver


class RayTask:
    """A job on the cluster."""

    def __init__(self, cluster: RayCluster, driver: Any, number: int) -> None:
        self._cluster, self._driver, self._number = cluster, driver, number

    def ended(self) -> bool:
        """With a cluster that was lost too: where the task goes on all the same, its lease is another's then."""
        try:
            return bool(self._cluster.spec(self._driver, "ended", self._number))
        except GessoError:
            return True

    def close(self) -> None:
        """Nothing to ask by: the server's end ends a cluster of its own, and in another the job goes on under its lease."""

    def kill(self) -> None:
        try:
            self._cluster.spec(self._driver, "kill", self._number)
        except GessoError:
            return
