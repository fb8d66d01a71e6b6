"""Numbers of threads: torch's changes last bits and is recorded; BLAS gets one thread, because its idle threads spin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

MOST_THREADS = 4  # unless asked for


def default_threads() -> int:
    """Torch's number of threads: one for each processor of this process, at most 4, and at most OMP_NUM_THREADS."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(MOST_THREADS, available, max(1, int(asked)) if asked.isdecimal() else MOST_THREADS)


@contextmanager
def fixed_threads(number: int) -> Iterator[None]:
    """Run the block with `number` threads for torch, and one for the matrix products of numpy and scipy.

    OpenBLAS lets its threads spin for some 20 ms after each product. Rules make small products between a network's passes, and
    the spinning took every second processor from them and made a stroke 35 ms slower. It also changed last bits unrecorded.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with _pools().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def quiet_blas() -> None:
    """Limit BLAS to one thread until this process ends: for servers, whose threads would reset each other's limits."""
    _pools().limit(limits=1, user_api="blas")


@cache
def _pools() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # it has a BLAS of its own, which must be loaded when the pools are looked up

    return ThreadpoolController()
