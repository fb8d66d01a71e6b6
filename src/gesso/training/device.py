"""The device, number type and memory format of networks, by what the machine supports."""

from __future__ import annotations

import ctypes
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from gesso.errors import GessoError

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # glibc's malloc.h


@dataclass(frozen=True)
class Device:
    """A device, autocast's number type (None: float32 throughout), the memory format of images, and the reason for the choice."""

    device: torch.device
    autocast: torch.dtype | None
    channels_last: bool
    reason: str

    def computing(self) -> AbstractContextManager[Any]:
        """The autocast context for a forward pass."""
        return torch.autocast(self.device.type, dtype=self.autocast or torch.bfloat16, enabled=self.autocast is not None)

    def place(self, network: torch.nn.Module) -> torch.nn.Module:
        """Move the network to the device, its kernels of pictures in the chosen memory format (torch refuses it for those of films)."""
        network = network.to(self.device)
        if self.channels_last:
            for value in [*network.parameters(), *network.buffers()]:
                if value.ndim == 4:
                    value.data = value.data.to(memory_format=torch.channels_last)
        return network


def choose(name: str | None = None) -> Device:
    """The device of that name (None: CUDA if available, else the CPU); bf16 and channels_last where bf16 products are native.

    On CPUs that is AMX or AVX-512 BF16. GessoError for a device that is not here.
    """
    device = find(name)
    if device.type == "cuda":
        native = multiplies_bfloat16(device)
        card = torch.cuda.get_device_name(device)
        return Device(device, torch.bfloat16 if native else None, True, f"{card}, {'bf16' if native else 'fp32'}")
    return choose_cpu()


def find(name: str | None = None) -> torch.device:
    """A device by its name, "cpu", "cuda" or "cuda:1" (None: CUDA if available, else the CPU); GessoError where it is not here."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise GessoError(f"there is no device {name!r}", where="--device", fix="cpu, cuda, or cuda:1") from None
    num = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in ("cpu", "cuda") or (device.index or 0) >= num:
        here = ", ".join(["cpu", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))])
        raise GessoError(f"{name} is not here", where="--device", fix=f"one of {here}")
    return device


@cache
def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(_bf16_feature())


def choose_cpu() -> Device:
    """The settings for this CPU."""
    feature = _bf16_feature()
    if feature:
        return Device(torch.device("cpu"), torch.bfloat16, True, f"CPU with {feature}, bf16")
    return Device(torch.device("cpu"), None, False, "CPU without bf16, fp32")


def use_threads(num: int | None) -> int:
    """Set the number of torch's compute threads and return it. None: the available cores, shared by the processes of `torchrun`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    chosen = num or max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if chosen != torch.get_num_threads():
        torch.set_num_threads(chosen)
    return chosen


def keep_memory() -> None:
    """Ask glibc to keep freed memory for the next step instead of returning it to the system; makes CPU steps a third faster.

    Uses `mallopt(3)`. Without glibc, or with jemalloc, it does nothing.
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
