"""Where and in which numbers to train: chosen from what the machine can do, never by hand."""

from __future__ import annotations

import ctypes
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


@dataclass(frozen=True)
class Device:
    """A device, the type that autocast computes in (None: float32 throughout), the memory format of images, and why."""

    device: torch.device
    autocast: torch.dtype | None
    channels_last: bool
    reason: str

    def computing(self) -> AbstractContextManager[Any]:
        """The context a forward pass runs in."""
        return torch.autocast(self.device.type, dtype=self.autocast or torch.bfloat16, enabled=self.autocast is not None)

    def place(self, network: torch.nn.Module) -> torch.nn.Module:
        """The network on the device, its images in the chosen memory format."""
        if self.channels_last:
            return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network.to(self.device)


def choose() -> Device:
    """CUDA where there is a card, else this CPU; bf16 and channels_last where bf16 is multiplied natively (on CPUs: AMX, AVX-512 BF16)."""
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        name = torch.cuda.get_device_name()
        return Device(torch.device("cuda"), torch.bfloat16 if native else None, True, f"{name}, {'bf16' if native else 'fp32'}")
    return choose_cpu()


def choose_cpu() -> Device:
    """This CPU."""
    feature = _bf16_feature()
    if feature:
        return Device(torch.device("cpu"), torch.bfloat16, True, f"CPU with {feature}, bf16")
    return Device(torch.device("cpu"), None, False, "CPU without bf16, fp32")


def use_threads(num: int | None) -> int:
    """Set how many threads torch computes with (None: one a core it may use) and return it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    chosen = num or cores
    if chosen != torch.get_num_threads():
        torch.set_num_threads(chosen)
    return chosen


def keep_memory() -> None:
    """Ask glibc to keep what is freed for the next step instead of giving it back page by page: a third off a step on a CPU.

    A hint (`mallopt(3)`): where there is no glibc, or jemalloc stands in for it, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 256 << 20)):
        mallopt(parameter, value)


def _bf16_feature() -> str:
    for name, label in (("_is_amx_tile_supported", "AMX"), ("_is_avx512_bf16_supported", "AVX-512 BF16")):
        check = getattr(torch.cpu, name, None)
        if check is not None and check():
            return label
    return ""
