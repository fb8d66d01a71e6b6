"""A line drawing in any file that holds one: dark lines on paper, light ones on a dark ground, lines in colours or on nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import PrivateAttr
from scipy import ndimage

from gesso.conditions.condition import Clean, Truth
from gesso.conditions.picture import Picture
from gesso.ports import Frame, Ports
from gesso.rules.reading import Lines, Reading, read_lines
from gesso.rules.regions import drawn_regions


class Sketch(Picture):
    """A drawing, read as `rules.reading` finds it, or as the frame's option `lines` says."""

    kind: ClassVar[str] = "sketch"

    _readings: tuple[np.ndarray, dict[str, Reading]] | None = PrivateAttr(None)  # pixels, and how they were read
    _regions: np.ndarray | None = PrivateAttr(None)  # those of a simulated drawing, which its example knows

    def reading(self, lines: Lines = "auto") -> Reading:
        """The drawing read, its arrays read-only. Found once: every window of a page asks for it."""
        if self._readings is None or self._readings[0] is not self.pixels:
            self._readings = self.pixels, {}
        known = self._readings[1]
        if lines not in known:
            found = read_lines(self.pixels, lines)
            for array in (found.line, found.ink):
                if array is not None:
                    array.flags.writeable = False
            known[lines] = found
        return known[lines]

    def line(self, lines: Lines = "auto") -> np.ndarray:
        """Line values uint8 [h w], read-only: 255 is paper, 0 full ink."""
        return self.reading(lines).line

    def planes(self, frame: Frame) -> np.ndarray:
        return self.line(frame.options.get("lines", "auto"))[..., None]

    @classmethod
    def num_planes(cls) -> int:
        return 1

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """spatial: line values and validity; with the slot's option `regions`, also the regions that the lines make (`regions_of`)."""
        import torch

        ports = super().encode(values, frame)
        if not frame.options.get("regions"):
            return ports
        found = [np.zeros(frame.size, np.int64) if value is None else value.regions(frame) for value in values]
        return replace(ports, regions=torch.from_numpy(np.stack(found)[:, None]))

    def regions(self, frame: Frame) -> np.ndarray:
        """The drawing's regions in a frame, int64 [h w]."""
        from gesso.rules.colouring import closed_pieces
        from gesso.rules.regions import regions_of

        if self._regions is not None and self._regions.shape == frame.size and frame.box is None:
            return self._regions
        return regions_of(closed_pieces(self.line(frame.options.get("lines", "auto"))), frame.size, frame.box)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """The clean `line` as a hand would have drawn it: sometimes with gaps, and not quite black.

        `truth` holds `gaps`, where ink was left out. `regions` of the clean example are kept where there are no gaps.
        """
        line, regions = clean["line"], clean.get("regions")
        gaps = np.zeros(line.shape, bool)
        if rng.random() < 0.35 * budget:
            line, gaps = with_gaps(line, rng)
            regions = None if regions is None else drawn_regions(line)
        if rng.random() < 0.2 * budget:
            strength = rng.uniform(0.75, 1.0)
            line = (255 - (255 - line.astype(np.float32)) * strength).astype(np.uint8)
        made = cls.model_construct(pixels=line)
        made._readings = made.pixels, {"auto": Reading(line)}  # a simulated drawing is dark on white: no need to detect it
        made._regions = None if regions is None else regions.astype(np.int64)
        return made, {"gaps": gaps}

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
