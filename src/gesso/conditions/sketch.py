"""The kind "sketch", a line drawing: dark lines on paper, light lines on a dark ground, coloured lines, or lines on transparency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import scipy
from pydantic import PrivateAttr

from gesso.conditions.condition import Clean, Truth
from gesso.conditions.picture import Picture
from gesso.person import Person
from gesso.ports import Frame, Ports
from gesso.rules.reading import Lines, Reading, read_lines
from gesso.rules.regions import drawn_regions


class Sketch(Picture):
    """A line drawing. The frame's option `lines` says which kind of lines it has; by default `rules.reading` detects it."""

    kind: ClassVar[str] = "sketch"

    _readings: tuple[np.ndarray, dict[str, Reading]] | None = PrivateAttr(None)  # the pixels and their readings by kind of lines
    _regions: np.ndarray | None = PrivateAttr(None)  # the regions of a simulated drawing, known from its example

    def reading(self, lines: Lines = "auto") -> Reading:
        """The drawing's line values and ink colours, as read-only arrays. Cached, because every window of a page needs them."""
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
        """Encode as spatial: line values and validity; with the slot's option `regions` also as regions (`regions_of`)."""
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
        """The clean `line` as a user would have drawn it: sometimes with gaps, and not quite black.

        `truth` holds `gaps`, bool [h w], the removed ink. The clean example's `regions` are kept if there are no gaps.
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
        made._readings = made.pixels, {"auto": Reading(line)}  # a simulated drawing is always dark on white
        made._regions = None if regions is None else regions.astype(np.int64)
        return made, {"gaps": gaps}

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """The drawing, once: who takes pains leaves fewer gaps in it."""
        return (None, {}) if before is not None or turns < 1 else cls.simulate(clean, rng, 1 - person.effort, given=given)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "page", "schema": cls.model_json_schema()}


def with_gaps(line: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Remove ink in one to six small discs on the lines, as where a pen was lifted. Returns the drawing and the gaps, bool [h w]."""
    inked = np.argwhere(line < 128)
    gaps = np.zeros(line.shape, bool)
    if not len(inked):
        return line, gaps
    for y, x in inked[rng.integers(len(inked), size=rng.integers(1, 7))]:
        gaps[y, x] = True
    radius = rng.uniform(1.0, 2.5) * max(line.shape) / 72
    gaps = scipy.ndimage.distance_transform_edt(~gaps) <= radius
    return np.where(gaps, np.uint8(255), line), gaps
