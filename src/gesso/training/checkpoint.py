"""Checkpoints that are whole or not there: what a run needs to go on as if it had never stopped.

checkpoints/000000500/ holds state.safetensors (every tensor), state.json (every number) and manifest.json (size and sha256 of
both). A save writes a hidden folder beside its place, syncs each file, then the folder, renames it, and syncs the parent; only then
are older ones removed. Nothing is ever unpickled.
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
from gesso.media.file import REASONS, read_bytes, shown, sync_folder
from gesso.training.chaos import point
from gesso.weights.safe import read_tensors, write_tensors

KEEP = 2
CHUNK = 2**20
STATE, META, MANIFEST = "state.safetensors", "state.json", "manifest.json"
MAX_STATE, MAX_META = 64 * 2**30, 2**26
NAME = re.compile(r"\d{9}")
LEFTOVER = re.compile(r"\.(writing|gone)-\d{9}|\.gesso-[0-9a-f]{16}\.part")


@dataclass(frozen=True)
class Snapshot:
    """Everything a run is at a step: `tensors` by name (copies, contiguous, on the CPU) and `meta`, plain JSON."""

    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.meta["step"])

    @property
    def num_bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in self.tensors.values())

    def spoilt(self) -> str | None:
        """The first tensor that holds NaN or infinity."""
        return next((n for n, t in self.tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())), None)


class Broken(Exception):
    """A checkpoint that cannot be trusted, and why."""


def save(folder: Path, snapshot: Snapshot, *, spare: Collection[int] = ()) -> Path:
    """Write a checkpoint into `folder`, durably, then remove all but the newest two and those of the steps in `spare`.

    Raises GessoError saying why where the disk refuses; what was there before is then untouched and no temporary file stays.
    """
    final, temporary = folder / f"{snapshot.step:09d}", folder / f".writing-{snapshot.step:09d}"
    if final.is_dir() and _verifies(folder, snapshot.step):
        return final
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        point("folder.make")
        temporary.mkdir()
        files = {STATE: write_tensors(snapshot.tensors, {}), META: (json.dumps(snapshot.meta, allow_nan=False) + "\n").encode()}
        manifest = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
        for name, data in (*files.items(), (MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())):
            _write(temporary / name, data, {STATE: "state", META: "meta", MANIFEST: "manifest"}[name])
        _sync(temporary, "folder.fsync")
        if final.exists():  # one of this step that did not verify
            _retire(final)
        point("folder.rename")
        os.rename(temporary, final)
        _sync(folder, "parent.fsync")
    except OSError as error:
        with contextlib.suppress(OSError):
            _remove(temporary)
        raise cannot_write(error, folder, f"the checkpoint of step {snapshot.step}") from error
    with contextlib.suppress(OSError):  # what could not be removed now is removed later
        past = [step for step in sorted(steps(folder)) if step <= snapshot.step]
        for step in past[:-KEEP]:
            if step not in spare:
                _retire(folder / f"{step:09d}")
        drop_after(folder, snapshot.step)
    return final


def drop_after(folder: Path, step: int) -> None:
    """Remove checkpoints of later steps: they are broken, or of a past that was gone back from."""
    for later in steps(folder):
        if later > step:
            _retire(folder / f"{later:09d}")


def load(folder: Path, step: int) -> Snapshot:
    """The checkpoint of that step. Raises Broken, with the reason, where any byte of it is not as it was written."""
    place = folder / f"{step:09d}"
    try:
        manifest = json.loads(read_bytes(place / MANIFEST, MAX_META))
        contents = {}
        for name, limit in ((STATE, MAX_STATE), (META, MAX_META)):
            data = read_bytes(place / name, limit)
            said = manifest[name]
            if len(data) != said["bytes"]:
                raise Broken(f"{name} has {len(data)} bytes instead of {said['bytes']}")
            if hashlib.sha256(data).hexdigest() != said["sha256"]:
                raise Broken(f"{name} is not what was written (its sha256 differs)")
            contents[name] = data
        tensors, _ = read_tensors(contents[STATE], where=place / STATE)
        meta = json.loads(contents[META])
        if meta["step"] != step:
            raise Broken(f"it is of step {meta['step']}")
    except GessoError as error:
        raise Broken(error.what) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Broken(f"its manifest or its numbers cannot be read ({type(error).__name__})") from error
    return Snapshot(tensors, meta)


def load_latest(folder: Path) -> Snapshot | None:
    """The newest checkpoint that verifies, or None; each one passed over is named in a warning with the reason."""
    for step in sorted(steps(folder), reverse=True):
        try:
            return load(folder, step)
        except Broken as reason:
            warnings.warn(f"the checkpoint of step {step} is broken and was passed over: {reason}", stacklevel=2)
    return None


def steps(folder: Path) -> list[int]:
    """Steps of which there is a checkpoint, good or broken."""
    if not folder.is_dir():
        return []
    return [int(p.name) for p in folder.iterdir() if NAME.fullmatch(p.name) and p.is_dir()]


def sweep(folder: Path) -> None:
    """Remove what an interrupted save, of a checkpoint or of a file (`media.file.write_atomic`), left in this folder."""
    if folder.is_dir():
        for place in folder.iterdir():
            if LEFTOVER.fullmatch(place.name):
                with contextlib.suppress(OSError):
                    _remove(place)


def clear(folder: Path) -> None:
    """Remove every checkpoint."""
    for step in sorted(steps(folder)):
        _retire(folder / f"{step:09d}")
    sweep(folder)


def check_space(folder: Path, num_bytes: int) -> None:
    """GessoError unless three checkpoints of `num_bytes` fit on the disk that `folder` is on."""
    free = shutil.disk_usage(folder).free
    if free < 3 * num_bytes:
        raise GessoError(
            f"the disk has {free / 1e6:.0f} MB free; three checkpoints need {3 * num_bytes / 1e6:.0f} MB",
            where=shown(folder),
            fix="free some space or choose another --out",
        )


def cannot_write(error: OSError, place: object, what: str) -> GessoError:
    """Why `what` could not be written, and that nothing is lost."""
    reason, fix = REASONS.get(error.errno or 0, ((error.strerror or "the system refused").lower(), "mend that"))
    return GessoError(
        f"{what} could not be written: {reason}",
        where=shown(place),
        fix=f"{fix}, then give the same command again: it goes on from the last good checkpoint",
    )


def _verifies(folder: Path, step: int) -> bool:
    try:
        return load(folder, step).step == step
    except Broken:
        return False


def _write(path: Path, data: bytes, label: str) -> None:
    with open(path, "xb") as file:
        view = memoryview(data)
        for start in range(0, max(1, len(view)), CHUNK):
            half = view[start : start + CHUNK // 2]
            file.write(half if len(view) > CHUNK // 2 else view[: len(view) // 2])
            file.flush()
            point(f"{label}.write")
            file.write(view[start + CHUNK // 2 : start + CHUNK] if len(view) > CHUNK // 2 else view[len(view) // 2 :])
        file.flush()
        point(f"{label}.fsync")
        os.fsync(file.fileno())


def _sync(folder: Path, label: str) -> None:
    point(label)
    sync_folder(folder)


def _retire(place: Path) -> None:
    """Away under another name first, so that a half-removed checkpoint is never taken for one."""
    gone = place.with_name(f".gone-{place.name}")
    _remove(gone)
    point("old.rename")
    os.rename(place, gone)
    point("old.remove")
    _remove(gone)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
