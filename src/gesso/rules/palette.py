"""Parsing and formatting of colours, and perceptual differences between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gesso.errors import GessoError, short_repr

RGB = tuple[int, int, int]


def parse_colour(text: str) -> RGB:
    """Parse '#rgb', '#rrggbb' (the '#' is optional) or a CSS colour name; GessoError for anything else."""
    if isinstance(text, str):
        plain = text.strip().lower()
        digits = re.fullmatch(r"#?([0-9a-f]{3}|[0-9a-f]{6})", plain)
        if digits:
            code = digits[1] if len(digits[1]) == 6 else "".join(c + c for c in digits[1])
            return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)
        from PIL import ImageColor  # its table of CSS names

        if plain.isalpha() and plain in ImageColor.colormap:
            red, green, blue = ImageColor.getrgb(plain)[:3]
            return red, green, blue
    raise GessoError(f"{short_repr(text)} is not a colour", where="colour", fix="write '#rrggbb' or a name such as 'orange'")


def format_colour(rgb: Sequence[int] | np.ndarray) -> str:
    """Format three integers from 0 to 255 as '#rrggbb'; GessoError for other values."""
    values = [int(v) for v in rgb]
    if len(values) != 3 or not all(0 <= v <= 255 for v in values):
        raise GessoError(f"{values} is not a colour", where="colour", fix="give three numbers, 0 to 255")
    return "#{:02x}{:02x}{:02x}".format(*values)


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB [... 3] in 0 to 255 to CIE Lab (D65, 2 degrees), float64 [... 3]."""
    from skimage.color import rgb2lab

    scaled = np.clip(np.asarray(rgb, np.float64), 0, 255) / 255
    return rgb2lab(scaled.reshape(-1, 1, 3)).reshape(scaled.shape)


def delta_e(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """The CIE 1976 colour difference, [...], of sRGB colours [... 3]: 2 is just visible, 10 is clearly another colour."""
    return np.linalg.norm(lab_of(one) - lab_of(two), axis=-1)
