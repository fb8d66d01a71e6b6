"""How many threads work: torch's own number decides last bits, and BLAS gets one, because its idle threads spin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

MOST_THREADS = 4  # unless asked for


def default_threads() -> int:
    """One a processor that this process may use, at most 4, and at most what OMP_NUM_THREADS asks for."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(MOST_THREADS, available, max(1, int(asked)) if asked.isdecimal() else MOST_THREADS)


@contextmanager
def fixed_threads(number: int) -> Iterator[None]:
    """Torch with `number` threads inside, numpy's and scipy's matrix products with one.

    OpenBLAS lets its threads spin for some 20 ms after each product. Rules make small products between a network's passes, and
    the spinning took every second processor from them: a stroke's picture was 35 ms late. It also moved last bits unrecorded.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with _pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def quiet_blas() -> None:
    """As within `fixed_threads`, for as long as this process lives: for servers, whose threads would undo each other's limits."""
    _pools().limit(limits=1, user_api="blas")


@cache
def _pools() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # it brings a BLAS of its own, which must be known when the pools are looked up

    return ThreadpoolController()
