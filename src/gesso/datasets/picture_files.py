"""The picture files of a folder, and which of them are for training, for choices and for measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
MIN_PICTURES = 8  # the fewest pictures for a training
VAL_EVERY, DEV_EVERY = 10, 16  # 1 in 10 pictures is held out for "val", and 1 in 16 of the others for "dev"


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in a folder, sorted by name."""
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES and one.name[0] != "." and one.is_file())


def splits(files: Sequence[Path]) -> dict[Path, str]:
    """The split of each file. It depends on the file's name, so that a held-out picture stays held out when others are added."""
    keys = {one: int(hashlib.sha256(one.name.encode("utf-8", "surrogateescape")).hexdigest(), 16) for one in files}
    parts = {one: "val" if key % VAL_EVERY == 0 else "dev" if key // VAL_EVERY % DEV_EVERY == 0 else "train" for one, key in keys.items()}
    for wanted in ("val", "dev"):
        if wanted not in parts.values() and (free := [one for one in files if parts[one] == "train"]):
            parts[min(free, key=lambda one: keys[one])] = wanted
    return parts


def files_of(folder: Path, split: str) -> list[Path]:
    """The files of a split: by subfolders `train` and `test` where there are such, also below `photos`, else by `splits`."""
    place = folder / "photos" if (folder / "photos").is_dir() else folder
    if not (place / "train").is_dir():
        return [one for one, part in splits(pictures_in(place)).items() if part == split]
    if split == "val" and (place / "test").is_dir():
        return pictures_in(place / "test")
    parts = splits(pictures_in(place / "train"))
    return [one for one, part in parts.items() if (part == "dev") == (split == "dev")]
