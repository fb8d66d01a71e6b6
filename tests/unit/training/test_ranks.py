"""Two processes that share each batch end with one process's weights, and resume; so does a batch computed in parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gesso.errors import GessoError
from gesso.training import checkpoint
from gesso.training.ranks import Ranks

SCRIPT = Path(__file__).with_name("shared_training.py")


def trained(folder: Path, *, processes: int = 1, steps: int = 12, accumulate: int = 1) -> dict[str, torch.Tensor]:
    """The networks after `steps` steps."""
    launcher = [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"}
    for _ in range(2):  # gloo sometimes aborts a process after all work is done, so the result decides, with one more try
        command = [sys.executable, *launcher, str(SCRIPT), str(folder), str(steps), str(accumulate)]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        found = checkpoint.load_latest(folder / "checkpoints")
        if found is not None and found.meta["step"] == steps:
            return {name: value for name, value in found.tensors.items() if name.startswith(("network/", "average/"))}
    raise AssertionError(run.stderr)


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], atol=2e-6, rtol=2e-4, msg=lambda why, name=name: f"{name}: {why}")


def test_two_processes_equal_one_and_resume(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone")
    assert_close(alone, trained(tmp_path / "both", processes=2))
    trained(tmp_path / "stopped", processes=2, steps=12)
    assert_close(alone, trained(tmp_path / "stopped", processes=2))


def test_a_batch_in_parts_equals_the_whole(tmp_path: Path) -> None:
    assert_close(trained(tmp_path / "whole"), trained(tmp_path / "parts", accumulate=3))


def test_rows_cover_a_batch_once() -> None:
    for num in (3, 4, 7, 64):
        rows = [Ranks(rank, 3).row_range(num) for rank in range(3)]
        assert [i for start, stop in rows for i in range(start, stop)] == list(range(num))
    with pytest.raises(GessoError, match="cannot be shared by 3"):
        Ranks(0, 3).row_range(2)
