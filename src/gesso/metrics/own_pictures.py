"""A folder of one's own coloured pictures as drawings to measure on: the tenth of them that no training sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gesso.datasets.coloured import line_and_colours, pictures_in, splits
from gesso.datasets.dataset import said_of
from gesso.errors import GessoError
from gesso.media.picture import read_picture, to_white
from gesso.rules.fill import over_line

FAINT = 235  # a line value from which on there is no line: what is left of its edge, made small, would count as a piece


@dataclass(frozen=True)
class OwnPictures:
    """The files that are measured on, of `total` in the folder; those that cannot be read are in `left_out` {name: why}."""

    files: tuple[Path, ...]
    total: int
    left_out: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.files)

    def each(self, side: int) -> Iterator[tuple[np.ndarray, np.ndarray, str]]:
        """Line values uint8 [side side], true colours under that line uint8 [side side 3], and the picture's name."""
        for file in self.files:
            line, colours = line_and_colours(to_white(read_picture(file, where=file.name)), side)
            line[line >= FAINT] = 255
            yield line, over_line(colours, line), file.stem


def held_out_pictures(folder: Path, limit: int | None = None) -> OwnPictures | None:
    """Those of a folder of pictures; None where it holds none. GessoError where none that is held out can be read."""
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
        raise GessoError(f"no picture that is held out can be read: {said_of(left_out)}", where=folder, fix="mend them, or add pictures")
    return OwnPictures(tuple(good[:limit]), len(parts), left_out) if parts else None
