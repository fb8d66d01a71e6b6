"""Several pictures as one output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from gesso.errors import GessoError
from gesso.media.medium import Medium
from gesso.media.picture import MEDIUM as PICTURE


class PicturesMedium(Medium):
    """A tuple of pictures. It has no file of its own: each is a picture's."""

    name: ClassVar[str] = "pictures"
    endings: ClassVar[Mapping[str, str]] = {}
    viewer: ClassVar[str] = "picture"

    def is_value(self, value: Any) -> bool:
        return isinstance(value, tuple) and all(PICTURE.is_value(one) for one in value)

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        if not isinstance(value, tuple):
            raise GessoError(f"{where!r} is not a list of pictures", where=recipe, fix="finish gives a list of uint8 pictures")
        for one in value:
            PICTURE.check(one, where=where, recipe=recipe)

    def in_json(self, value: Any) -> Any:
        return [PICTURE.in_json(one) for one in value]

    def thumb(self, value: Any) -> np.ndarray | None:
        return value[0] if value else None


MEDIUM = PicturesMedium()
