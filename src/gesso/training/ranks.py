"""Training in several processes: each takes its rows of the same batch, and gradients are summed, so the result is one process's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from gesso.errors import GessoError


@dataclass(frozen=True)
class Ranks:
    """This process's number among `total` processes. Process 0 leads: it alone writes files."""

    rank: int = 0
    total: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def row_range(self, num: int, *, may_be_empty: bool = False) -> tuple[int, int]:
        """The rows of this process among `num`: the first, and the one after the last.

        GessoError where there are fewer rows than processes, unless a process's share `may_be_empty`.
        """
        if num < self.total and not may_be_empty:
            raise GessoError(
                f"a batch of {num} cannot be shared by {self.total} processes", where="--nproc-per-node", fix=f"at most {num} processes"
            )
        return num * self.rank // self.total, num * (self.rank + 1) // self.total

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one exchange."""
        together = list(tensors)
        if self.total == 1 or not together:
            return
        flat = torch.cat([t.detach().reshape(-1).float() for t in together])
        torch.distributed.all_reduce(flat)
        for tensor, part in zip(together, flat.split([t.numel() for t in together]), strict=True):
            tensor.detach().copy_(part.view(tensor.shape))

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
        if self.total > 1:
            self.sum(tensors)
            for tensor in tensors:
                tensor.div_(self.total)

    def any(self, flag: bool) -> bool:
        """True in all processes if it is true in one, so that all stop at the same step."""
        if self.total == 1:
            return flag
        told = torch.tensor([float(flag)], device=_device())
        torch.distributed.all_reduce(told)
        return bool(told.item() > 0)

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.total > 1:
            torch.distributed.barrier()


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that `torchrun` started (environment variables RANK and WORLD_SIZE), or this one alone.

    They communicate by gloo on CPUs and by nccl on GPUs. They meet at torchrun's address, or at the address of a file that all can
    write to (GESSO_MEETING).
    """
    total = int(os.environ.get("WORLD_SIZE", "1"))
    if total == 1:
        yield Ranks()
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    meeting = os.environ.get("GESSO_MEETING", "env://")
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo", meeting, rank=int(os.environ["RANK"]), world_size=total)
    try:
        yield Ranks(torch.distributed.get_rank(), total)
    finally:
        torch.distributed.destroy_process_group()


def _device() -> str:
    return "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
