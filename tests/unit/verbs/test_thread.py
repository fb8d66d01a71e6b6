"""Torch uses the requested number of threads and BLAS one; afterwards both have their former numbers."""

import torch
from threadpoolctl import threadpool_info

from gesso.verbs.thread import fixed_threads


def of_blas():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_gets_one_thread_and_its_own_back():
    before, torchs = of_blas(), torch.get_num_threads()
    with fixed_threads(3):
        assert torch.get_num_threads() == 3
        assert before and set(of_blas()) == {1}
    assert of_blas()[: len(before)] == before and torch.get_num_threads() == torchs
