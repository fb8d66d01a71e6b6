"""The further processes of a training that several share: the worker that holds the lease is the first, starts them, and outlives none.

On this machine they are child processes, on Ray tasks of the worker's task. They find each other by a file in the job's folder, which all
share, so that no port is open for it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Protocol

from gesso.serving.jobs.lease import JobLease

POLL_SECONDS = 0.5
FAIL_GRACE = 10.0  # seconds for the first process to report an error by itself, after another one ended with one
END_GRACE = 15.0  # seconds for the others to end after the first one
Follow = Callable[..., None]  # (config, spec, folder, environment)


class Others(Protocol):
    """The started processes."""

    def failed(self) -> bool:
        """Whether one of them has ended with an error."""

    def close(self) -> None:
        """Wait for them, then kill those that still run."""


@contextlib.contextmanager
def shared(num: int, lease: JobLease, folder: Path, follow: Follow, config: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[None]:
    """Make this the first of `num` processes, each of which runs `follow` meanwhile, with the variables that `training.ranks` reads.

    If another one dies, this process ends without storing a state, so that the job is requeued like that of a killed worker.
    """
    if num == 1:
        yield
        return
    meeting = folder / f"meeting-{secrets.token_hex(8)}"
    ray = on_ray()
    names = [_variables(rank, num, meeting, ray) for rank in range(num)]
    start = _RayTasks if ray else _Children
    with _set(names[0]):
        others = start(follow, [(dict(config), dict(spec), str(folder), own) for own in names[1:]])
        ended = threading.Event()
        threading.Thread(target=_watch, args=(others, ended, lease), daemon=True).start()
        try:
            yield
        except RuntimeError as error:  # of the exchange, as soon as another process is gone
            time.sleep(2 * POLL_SECONDS)
            if others.failed():
                _die(lease, str(error))
            raise
        finally:
            ended.set()
            others.close()
            meeting.unlink(missing_ok=True)


def follow_parent() -> None:
    """In a child process: end when the parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def end_with_it() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()


class _Children:
    """Child processes on this machine."""

    def __init__(self, follow: Follow, each: list[tuple[Any, ...]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._children = [context.Process(target=follow, args=one, daemon=True) for one in each]
        for child in self._children:
            child.start()

    def failed(self) -> bool:
        return any(child.exitcode for child in self._children)

    def close(self) -> None:
        until = time.monotonic() + END_GRACE
        for child in self._children:
            child.join(max(0.0, until - time.monotonic()))
            if child.is_alive():
                child.kill()
                child.join()


class _RayTasks:
    """Tasks of this task, which Ray places beside it, and ends if it dies."""

    def __init__(self, follow: Follow, each: list[tuple[Any, ...]]) -> None:
        import ray

        self._ray: Any = ray
        options = {"num_cpus": each[0][0]["threads"], "max_retries": 0, "max_calls": 1, "name": "gesso train, another process"}
        task = ray.remote(**options)(follow)
        self._tasks = [task.remote(*one) for one in each]

    def failed(self) -> bool:
        done, _ = self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0)
        for one in done:
            try:
                self._ray.get(one)
            except self._ray.exceptions.RayError:
                return True
        return False

    def close(self) -> None:
        _, late = self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=END_GRACE)
        for one in late:
            self._ray.cancel(one, force=True)


def _watch(others: Others, ended: threading.Event, lease: JobLease) -> None:
    """End this process if another one fails and this one goes on, as it may wait for the other for ever."""
    while not ended.wait(POLL_SECONDS):
        if others.failed():
            if not ended.wait(FAIL_GRACE):
                _die(lease, "it ended with an error")
            return


def _die(lease: JobLease, why: str) -> None:
    lease.log(f"another process of this training is gone: {why.splitlines()[0] if why else 'it was killed'}")
    sys.stderr.flush()
    os._exit(1)


def on_ray() -> bool:
    ray: Any = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def _variables(rank: int, total: int, meeting: Path, on_ray: bool) -> dict[str, str]:
    names = {"RANK": str(rank), "WORLD_SIZE": str(total), "LOCAL_RANK": str(rank), "GESSO_MEETING": meeting.resolve().as_uri()}
    names |= {} if on_ray and not _all_here() else _loopback()
    return names | ({"CUDA_VISIBLE_DEVICES": ""} if _num_gpus() < total else {})


def _num_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _all_here() -> bool:
    """Whether Ray's machine is known by a loopback address, so that it is the only one."""
    import ipaddress

    ray: Any = sys.modules["ray"]
    return ipaddress.ip_address(ray.util.get_node_ip_address()).is_loopback


def _loopback() -> dict[str, str]:
    """Let gloo connect through the loopback interface only."""
    import socket

    with contextlib.suppress(OSError, AttributeError):
        for _, name in socket.if_nameindex():
            if name in ("lo", "lo0"):
                return {"GLOO_SOCKET_IFNAME": name}
    return {}


@contextlib.contextmanager
def _set(names: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
