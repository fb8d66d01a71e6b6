"""A line drawing: dark lines on paper, in any file that holds one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import PrivateAttr
from scipy import ndimage

from gesso.conditions.condition import Clean, Truth
from gesso.conditions.picture import Picture
from gesso.rules.line import ink_of


class Sketch(Picture):
    """A drawing whose lines are darker than its paper; colour in it is ignored."""

    kind: ClassVar[str] = "sketch"

    _line: tuple[np.ndarray, np.ndarray] | None = PrivateAttr(None)  # pixels, and their line values

    def line(self) -> np.ndarray:
        """Line values uint8 [h w], read-only: 255 is paper, 0 full ink. Found once: every window of a page asks for them."""
        if self._line is None or self._line[0] is not self.pixels:
            found = ink_of(self.pixels)
            found.flags.writeable = False
            self._line = self.pixels, found
        return self._line[1]

    def planes(self) -> np.ndarray:
        return self.line()[..., None]

    @classmethod
    def num_planes(cls) -> int:
        return 1

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The clean `line` as a hand would have drawn it: sometimes with gaps, and not quite black.

        `truth` holds `gaps`, where ink was left out.
        """
        line = clean["line"]
        gaps = np.zeros(line.shape, bool)
        if rng.random() < 0.35 * budget:
            line, gaps = with_gaps(line, rng)
        if rng.random() < 0.2 * budget:
            strength = rng.uniform(0.75, 1.0)
            line = (255 - (255 - line.astype(np.float32)) * strength).astype(np.uint8)
        return cls.model_construct(pixels=line), {"gaps": gaps}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "page", "schema": cls.model_json_schema()}


def with_gaps(line: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The drawing with ink left out in one to six small discs on its lines, as where a pen was lifted; and where."""
    inked = np.argwhere(line < 128)
    gaps = np.zeros(line.shape, bool)
    if not len(inked):
        return line, gaps
    for y, x in inked[rng.integers(len(inked), size=rng.integers(1, 7))]:
        gaps[y, x] = True
    radius = rng.uniform(1.0, 2.5) * max(line.shape) / 72
    gaps = ndimage.distance_transform_edt(~gaps) <= radius
    return np.where(gaps, np.uint8(255), line), gaps
