"""The kind "grey": a photograph of which only the lightness counts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from gesso.conditions.picture import Picture
from gesso.media.picture import to_white
from gesso.ports import Frame


class Grey(Picture):
    """A picture whose colours, if it has any, are ignored."""

    kind: ClassVar[str] = "grey"

    def planes(self, frame: Frame) -> np.ndarray:
        """L* of the whole page, scaled from [0, 100] to uint8 [h w 1]."""
        return (self.lightness() * 2.55).round().clip(0, 255).astype(np.uint8)[..., None]

    def lightness(self) -> np.ndarray:
        """L* of the page on white, float32 [h w] in [0, 100]."""
        from gesso.media.lab import lab_planes

        return lab_planes(to_white(self.pixels))[0]

    @classmethod
    def num_planes(cls) -> int:
        return 1

    @classmethod
    def control(cls, options: Any) -> dict[str, Any]:
        return {"tool": "page", "schema": cls.model_json_schema()}
