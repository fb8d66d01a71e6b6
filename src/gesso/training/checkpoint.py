"""Atomic checkpoints: all state that a run needs to resume bit-equal.

checkpoints/000000500/ holds state.safetensors (all tensors), state.json (all numbers) and manifest.json (size and sha256 of
both). A save writes a hidden folder, syncs each file and the folder, renames it into place and syncs the parent. Older checkpoints
are removed only after that. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from gesso.errors import GessoError
from gesso.media.file import REASONS, printable, read_bytes, sync_folder
from gesso.training.fault_injection import fault_point
from gesso.weights.safe import read_tensors, write_tensors

NUM_KEPT = 2
CHUNK = 2**20
STATE, META, MANIFEST = "state.safetensors", "state.json", "manifest.json"
MAX_STATE, MAX_META = 64 * 2**30, 2**26
STEP_NAME = re.compile(r"\d{9}")
LEFTOVER = re.compile(r"\.(writing|gone)-\d{9}|\.gesso-[0-9a-f]{16}\.part")


@dataclass(frozen=True)
class Snapshot:
    """The state of a run at a step: `tensors` by name (contiguous copies on the CPU) and `meta`, plain JSON."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.meta["step"])

    @property
    def num_bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in self.tensors.values())

    def first_non_finite(self) -> str | None:
        """The name of the first tensor that holds NaN or infinity, or None."""
        return next((n for n, t in self.tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())), None)


class BrokenCheckpoint(Exception):
    """A checkpoint does not verify; the message says why."""


def save(folder: Path, snapshot: Snapshot, *, also_keep: Collection[int] = ()) -> Path:
    """Write a checkpoint durably into `folder`, then remove all but the newest two and those of the steps in `also_keep`.

    Raises GessoError with the reason if the write fails; earlier checkpoints are then untouched, and no temporary file stays.
    """
    final, temporary = folder / f"{snapshot.step:09d}", folder / f".writing-{snapshot.step:09d}"
    if final.is_dir() and _verifies(folder, snapshot.step):
        return final
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        fault_point("folder.make")
        temporary.mkdir()
        files = {STATE: write_tensors(snapshot.tensors, {}), META: (json.dumps(snapshot.meta, allow_nan=False) + "\n").encode()}
        manifest = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
        for name, data in (*files.items(), (MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())):
            _write(temporary / name, data, {STATE: "state", META: "meta", MANIFEST: "manifest"}[name])
        _sync(temporary, "folder.fsync")
        if final.exists():  # a broken checkpoint of this step
            _rename_and_remove(final)
        fault_point("folder.rename")
        os.rename(temporary, final)
        _sync(folder, "parent.fsync")
    except OSError as error:
        with contextlib.suppress(OSError):
            _remove(temporary)
        raise cannot_write(error, folder, f"the checkpoint of step {snapshot.step}") from error
    with contextlib.suppress(OSError):  # a later save removes what could not be removed now
        past = [step for step in sorted(steps(folder)) if step <= snapshot.step]
        for step in past[:-NUM_KEPT]:
            if step not in also_keep:
                _rename_and_remove(folder / f"{step:09d}")
        remove_after(folder, snapshot.step)
    return final


def remove_after(folder: Path, step: int) -> None:
    """Remove checkpoints of later steps: they are broken, or from before a roll-back."""
    for later in steps(folder):
        if later > step:
            _rename_and_remove(folder / f"{later:09d}")


def load(folder: Path, step: int) -> Snapshot:
    """Load the checkpoint of a step. Raises BrokenCheckpoint with the reason if any byte differs from what was written."""
    place = folder / f"{step:09d}"
    try:
        manifest = json.loads(read_bytes(place / MANIFEST, MAX_META))
        contents = {}
        for name, limit in ((STATE, MAX_STATE), (META, MAX_META)):
            data = read_bytes(place / name, limit)
            expected = manifest[name]
            if len(data) != expected["bytes"]:
                raise BrokenCheckpoint(f"{name} has {len(data)} bytes instead of {expected['bytes']}")
            if hashlib.sha256(data).hexdigest() != expected["sha256"]:
                raise BrokenCheckpoint(f"{name} is not what was written (its sha256 differs)")
            contents[name] = data
        tensors, _ = read_tensors(contents[STATE], where=place / STATE)
        meta = json.loads(contents[META])
        if meta["step"] != step:
            raise BrokenCheckpoint(f"it is of step {meta['step']}")
    except GessoError as error:
        raise BrokenCheckpoint(error.what) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenCheckpoint(f"its manifest or its numbers cannot be read ({type(error).__name__})") from error
    return Snapshot(tensors, meta)


def load_latest(folder: Path) -> Snapshot | None:
    """Load the newest checkpoint that verifies, or None. Each broken one is skipped with a warning that says why."""
    for step in sorted(steps(folder), reverse=True):
        try:
            return load(folder, step)
        except BrokenCheckpoint as reason:
            warnings.warn(f"the checkpoint of step {step} is broken and was skipped: {reason}", stacklevel=2)
    return None


def steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint, good or broken."""
    if not folder.is_dir():
        return []
    return [int(p.name) for p in folder.iterdir() if STEP_NAME.fullmatch(p.name) and p.is_dir()]


def doubled(step: int, every: int) -> bool:
    """Whether a step is 1, 2, 4, 8, … times `every`, so that few of them come in the longest run."""
    times, rest = divmod(step, every) if every else (0, 0)
    return times > 0 and rest == 0 and times & (times - 1) == 0


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders of interrupted saves (of checkpoints, or of `media.file.write_atomic`) from this folder."""
    if folder.is_dir():
        for place in folder.iterdir():
            if LEFTOVER.fullmatch(place.name):
                with contextlib.suppress(OSError):
                    _remove(place)


def clear(folder: Path) -> None:
    """Remove every checkpoint."""
    for step in sorted(steps(folder)):
        _rename_and_remove(folder / f"{step:09d}")
    remove_leftovers(folder)


def check_space(folder: Path, num_bytes: int) -> None:
    """Raise GessoError unless the disk of `folder` has room for three checkpoints of `num_bytes`."""
    free = shutil.disk_usage(folder).free
    if free < 3 * num_bytes:
        raise GessoError(
            f"the disk has {free / 1e6:.0f} MB free; three checkpoints need {3 * num_bytes / 1e6:.0f} MB",
            where=printable(folder),
            fix="free some space or choose another --out",
        )


def cannot_write(error: OSError, place: object, what: str) -> GessoError:
    """The GessoError for a failed write of `what`; it says that the run can resume from the last good checkpoint."""
    reason, fix = REASONS.get(error.errno or 0, ((error.strerror or "the system refused").lower(), "fix the cause"))
    return GessoError(
        f"{what} could not be written: {reason}",
        where=printable(place),
        fix=f"{fix}, then run the same command again: it resumes from the last good checkpoint",
    )


def _verifies(folder: Path, step: int) -> bool:
    try:
        return load(folder, step).step == step
    except BrokenCheckpoint:
        return False


def _write(path: Path, data: bytes, label: str) -> None:
    with open(path, "xb") as file:
        view = memoryview(data)
        for start in range(0, max(1, len(view)), CHUNK):
            half = view[start : start + CHUNK // 2]
            file.write(half if len(view) > CHUNK // 2 else view[: len(view) // 2])
            file.flush()
            fault_point(f"{label}.write")
            file.write(view[start + CHUNK // 2 : start + CHUNK] if len(view) > CHUNK // 2 else view[len(view) // 2 :])
        file.flush()
        fault_point(f"{label}.fsync")
        os.fsync(file.fileno())


def _sync(folder: Path, label: str) -> None:
    fault_point(label)
    sync_folder(folder)


def _rename_and_remove(place: Path) -> None:
    """Rename a checkpoint before removing it, so that a half-removed folder never looks like a checkpoint."""
    gone = place.with_name(f".gone-{place.name}")
    _remove(gone)
    fault_point("old.rename")
    os.rename(place, gone)
    fault_point("old.remove")
    _remove(gone)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
