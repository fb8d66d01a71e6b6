"""Checkpoints are atomic, and a changed byte is detected."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from gesso.errors import GessoError
from gesso.training import checkpoint, fault_injection
from gesso.training.checkpoint import BrokenCheckpoint, Snapshot


def snapshot(step: int, **more: Any) -> Snapshot:
    tensors = {"network/net/w": torch.full((5, 7), float(step)), "family/state/n": torch.tensor(step), "b": torch.tensor([True])}
    return Snapshot(tensors, {"step": step, "sums": {"fit": 0.1 + 0.2}, **more})


@pytest.fixture(autouse=True)
def _calm() -> Any:
    yield
    fault_injection.reset()


def test_tensors_and_numbers_are_restored_to_the_bit(tmp_path: Path) -> None:
    put = snapshot(7)
    checkpoint.save(tmp_path, put)
    got = checkpoint.load_latest(tmp_path)
    assert got is not None and got.meta == put.meta and set(got.tensors) == set(put.tensors)
    for name, value in put.tensors.items():
        assert got.tensors[name].dtype == value.dtype and torch.equal(got.tensors[name], value)


def test_the_newest_two_and_the_named_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (0, 10, 20, 30, 35):
        checkpoint.save(tmp_path, snapshot(step), also_keep={10})
    assert sorted(checkpoint.steps(tmp_path)) == [10, 30, 35]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["000000010", "000000030", "000000035"]


def test_only_leftovers_are_removed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    for name in (".writing-000000002", ".gone-000000000"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.safetensors").write_bytes(b"half")
    for name in (".gesso-0123456789abcdef.part", ".lock", "notes.part", ".gesso-mine.part"):
        (tmp_path / name).write_bytes(b"x")
    checkpoint.remove_leftovers(tmp_path)
    checkpoint.remove_leftovers(tmp_path / "nowhere")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".gesso-mine.part", ".lock", "000000001", "notes.part"]


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert checkpoint.load_latest(tmp_path / "checkpoints") is None
    assert checkpoint.load_latest(tmp_path) is None


@pytest.mark.parametrize("name", [checkpoint.STATE, checkpoint.META, checkpoint.MANIFEST])
def test_any_changed_byte_is_detected(name: str, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    checkpoint.save(tmp_path, snapshot(2))
    path = tmp_path / "000000002" / name
    good = path.read_bytes()
    before = checkpoint.load(tmp_path, 2)
    for where in range(0, len(good), 3):
        path.write_bytes(good[:where] + bytes([good[where] ^ 0x10]) + good[where + 1 :])
        try:
            read = checkpoint.load(tmp_path, 2)
        except BrokenCheckpoint:
            continue
        # bytes of the manifest without meaning (whitespace, unused names) may change
        assert name == checkpoint.MANIFEST
        assert read.meta == before.meta and all(torch.equal(v, before.tensors[n]) for n, v in read.tensors.items())
    for end in range(0, len(good), 7):
        path.write_bytes(good[:end])
        with pytest.raises(BrokenCheckpoint):
            checkpoint.load(tmp_path, 2)
    with pytest.warns(UserWarning, match="step 2 is broken and was skipped"):
        latest = checkpoint.load_latest(tmp_path)
    assert latest is not None and latest.step == 1


@pytest.mark.parametrize("name", [checkpoint.STATE, checkpoint.META, checkpoint.MANIFEST])
def test_a_missing_file_is_detected(name: str, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    (tmp_path / "000000001" / name).unlink()
    with pytest.raises(BrokenCheckpoint, match="no such file"):
        checkpoint.load(tmp_path, 1)


def test_a_checkpoint_under_another_steps_name_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    shutil.copytree(tmp_path / "000000001", tmp_path / "000000009")
    with pytest.raises(BrokenCheckpoint, match="it is of step 1"):
        checkpoint.load(tmp_path, 9)


def test_a_pickle_named_as_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "mark"),))

    import hashlib
    import json

    checkpoint.save(tmp_path, snapshot(1))
    place = tmp_path / "000000001"
    data = pickle.dumps(Canary())
    (place / checkpoint.STATE).write_bytes(data)
    manifest = json.loads((place / checkpoint.MANIFEST).read_text())
    manifest[checkpoint.STATE] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (place / checkpoint.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BrokenCheckpoint, match="pickle"):
        checkpoint.load(tmp_path, 1)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("fault", ["ENOSPC", "EACCES", "EROFS"])
@pytest.mark.parametrize(
    "point", [p for p in fault_injection.POINTS if p.split(".")[0] in {"folder", "state", "meta", "manifest", "parent"}]
)
def test_a_failed_write_keeps_the_earlier_checkpoint(point: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    monkeypatch.setenv(fault_injection.VARIABLE, f"{point}:1:{fault}")
    with pytest.raises(GessoError) as refused:
        checkpoint.save(tmp_path, snapshot(2))
    assert "step 2 could not be written" in str(refused.value) and "the same command again" in str(refused.value)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]
    monkeypatch.delenv(fault_injection.VARIABLE)
    latest = checkpoint.load_latest(tmp_path)
    assert latest is not None and latest.step == (2 if point == "parent.fsync" else 1)
    checkpoint.save(tmp_path, snapshot(2))
    assert checkpoint.load(tmp_path, 2).step == 2


def test_a_real_file_size_limit_is_reported(tmp_path: Path) -> None:
    """No injected error: the kernel refuses to let the file grow."""
    resource, signal = pytest.importorskip("resource"), __import__("signal")
    checkpoint.save(tmp_path, snapshot(1))
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        with pytest.raises(GessoError, match="larger than this system lets a file be"):
            checkpoint.save(tmp_path, snapshot(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert checkpoint.steps(tmp_path) == [1] and not list(tmp_path.glob(".*"))


def test_checkpoints_of_later_steps_are_removed(tmp_path: Path) -> None:
    """Two newer but broken ones must not push out what was just written."""
    for step in (1, 5, 6):
        checkpoint.save(tmp_path, snapshot(step))
    for step in (5, 6):
        (tmp_path / f"{step:09d}" / checkpoint.STATE).write_bytes(b"broken")
    checkpoint.save(tmp_path, snapshot(3))
    latest = checkpoint.load_latest(tmp_path)
    assert latest is not None and latest.step == 3


def test_a_broken_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, snapshot(1))
    (tmp_path / "000000001" / checkpoint.META).write_bytes(b"{}")
    checkpoint.save(tmp_path, snapshot(1))
    assert checkpoint.load(tmp_path, 1).step == 1


def test_too_little_space_is_reported_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2_999_999))
    checkpoint.check_space(tmp_path, 999_999)
    with pytest.raises(GessoError, match="3 MB free; three checkpoints need 30 MB"):
        checkpoint.check_space(tmp_path, 10_000_000)


def test_unknown_system_errors_are_reported() -> None:
    error = OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    assert os.strerror(errno.EXDEV).lower() in str(checkpoint.cannot_write(error, "x", "it"))


@pytest.mark.parametrize("plan", ["state.fsync:one", "nowhere:1", "state.write:1:ENOTHING", ":", "x"])
def test_an_invalid_fault_plan_is_refused(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fault_injection.VARIABLE, plan)
    with pytest.raises(GessoError, match="no such fault"):
        fault_injection.fault_point("state.fsync")
