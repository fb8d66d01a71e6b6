"""Measurements on a folder of the user's own coloured pictures: on the tenth that is held out from training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gesso.datasets.coloured import line_and_colours
from gesso.datasets.dataset import describe_left_out
from gesso.datasets.picture_files import pictures_in, splits
from gesso.errors import GessoError
from gesso.media.picture import read_picture, to_white
from gesso.rules.fill import over_line

NO_LINE_FROM = 235  # paler line values are set to 255, because remains of a line's soft edge would count as pieces


@dataclass(frozen=True)
class OwnPictures:
    """The held-out files, of `total` in the folder. Files that cannot be read are in `left_out` {name: why}."""

    files: tuple[Path, ...]
    total: int
    left_out: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def iter_pictures(self, side: int) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
        """Line values uint8 [side side], true colours under that line uint8 [side side 3], and the picture's name."""
        for file in self.files:
            line, colours = line_and_colours(to_white(read_picture(file, where=file.name)), side)
            line[line >= NO_LINE_FROM] = 255
            yield line, over_line(colours, line), file.stem


def held_out_pictures(folder: Path, limit: int | None = None) -> OwnPictures | None:
    """The held-out pictures of a folder; None if it holds no pictures. GessoError if no held-out picture can be read."""
    parts = splits(pictures_in(folder))
    good: list[Path] = []
    left_out: dict[str, str] = {}
    for file in (one for one, part in parts.items() if part == "val"):
        try:
            read_picture(file, where=file.name)
            good.append(file)
        except GessoError as error:
            left_out[file.name] = error.what
    if parts and not good:
        raise GessoError(
            f"no picture that is held out can be read: {describe_left_out(left_out)}", where=folder, fix="repair them, or add pictures"
        )
    return OwnPictures(tuple(good[:limit]), len(parts), left_out) if parts else None
