"""A palette: an ordered list of named colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gesso.errors import GessoError
from gesso.media.layers import RGB, plain_name

MAX_SWATCHES = 4096


class Swatch(NamedTuple):
    """A colour in sRGB, 0 to 255, and its name, "" without a name."""

    rgb: RGB
    name: str = ""


@dataclass(frozen=True)
class Palette:
    """Up to 4096 swatches. Names are converted to one line of at most 100 characters (`layers.plain_name`)."""

    swatches: tuple[Swatch, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if len(self.swatches) > MAX_SWATCHES:
            raise GessoError(f"the palette has {len(self.swatches)} colours", where="palette", fix=f"give at most {MAX_SWATCHES}")
        for number, (rgb, _) in enumerate(self.swatches, 1):
            if len(rgb) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in rgb):
                raise GessoError(f"colour {number} is {rgb!r}", where="palette", fix="give three whole numbers, 0 to 255")
        object.__setattr__(self, "swatches", tuple(Swatch((rgb[0], rgb[1], rgb[2]), plain_name(name)) for rgb, name in self.swatches))
        object.__setattr__(self, "name", plain_name(self.name))

    def __len__(self) -> int:
        return len(self.swatches)

    @property
    def names(self) -> dict[RGB, str]:
        """The name of each named colour (its first name), as `layers.layered` needs it."""
        return {rgb: name for rgb, name in reversed(self.swatches) if name}
