"""The kind "picture": a photograph, a style or a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, WithJsonSchema, field_serializer, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.errors import GessoError
from gesso.media.density import Dpi
from gesso.media.picture import data_url, from_data_url, read_sheet, sheet_from_data_url, to_white
from gesso.ports import Frame, Ports, PortSizes
from gesso.rules.tiling import under_alpha

Pixels = Annotated[np.ndarray, WithJsonSchema({"type": "string", "format": "uri", "description": "a PNG as a data: URL"})]


class Picture(Condition):
    """`pixels` is uint8 [h w], [h w 3] or [h w 4] in sRGB, rotated by its EXIF; in JSON it is a lossless PNG.

    `dpi` is the resolution in the file, for outputs of the same size; in JSON it is stored inside the PNG.
    """

    kind: ClassVar[str] = "picture"
    reads: ClassVar[str] = "picture"
    pixels: Pixels
    dpi: SkipJsonSchema[Dpi | None] = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _with_dpi(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("pixels"), str):
            with suppress(GessoError):  # the field's validator reports the error with its location
                sheet = sheet_from_data_url(value["pixels"])
                return {"dpi": sheet.dpi, **value, "pixels": sheet.pixels}
        return value

    @field_validator("pixels", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> np.ndarray:
        return from_data_url(value) if isinstance(value, str) else value

    @field_validator("pixels", mode="after")
    @classmethod
    def _frozen(cls, value: np.ndarray) -> np.ndarray:
        frozen = value.copy()  # the caller's array may change later
        frozen.flags.writeable = False
        return frozen

    @field_serializer("pixels")
    def _to_json(self, value: np.ndarray) -> str:
        return data_url(value, self.dpi)

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        if isinstance(given, Mapping):
            return cls.model_validate(given)
        if isinstance(given, str) and given.startswith("data:"):
            sheet = sheet_from_data_url(given)
        else:
            sheet = read_sheet(given, where=given if isinstance(given, str) else where)
        return cls(pixels=sheet.pixels, dpi=sheet.dpi)

    @property
    def page(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]

    def planes(self, frame: Frame) -> np.ndarray:
        """The whole page as the network sees it, uint8 [h w c]: on white, or by the option `colours` = "under alpha" without its alpha."""
        if frame.options.get("colours") == "under alpha" and self.pixels.shape[2:] == (4,):
            return under_alpha(self.pixels)
        return to_white(self.pixels)

    def with_gaps(self, frame: Frame) -> tuple[np.ndarray, Frame]:
        """The planes of the frame's box with opacity as the last, uint8 [h w c+1], 0 beyond the page; and the frame of that alone."""
        planes = self.planes(frame)
        opaque = self.pixels[..., 3] if self.pixels.shape[2:] == (4,) else np.full(self.page, 255, np.uint8)
        whole = np.dstack([planes, opaque])
        h, w = self.page
        left, top, right, bottom = frame.box or (0, 0, w, h)
        inside = whole[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        part = np.zeros((bottom - top, right - left, whole.shape[2]), np.uint8)
        y, x = max(0, -top), max(0, -left)
        part[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
        return part, Frame(frame.size)

    @classmethod
    def num_planes(cls) -> int:
        return 3

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=cls.num_planes() + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial: the planes in [-1, 1], then validity: with the slot's option `gaps` 1 only where all of a pixel is opaque
        and on the page, which the frame's box may leave."""
        import torch

        h, w = frame.size
        out = torch.zeros(len(values), cls.num_planes() + 1, h, w)
        for row, value in zip(out, values, strict=True):
            if value is not None and frame.options.get("gaps"):
                planes = resized_planes(*value.with_gaps(frame))
                row[:-1] = torch.from_numpy(planes[..., :-1]).permute(2, 0, 1) / 127.5 - 1
                row[-1] = torch.from_numpy(planes[..., -1] >= 255).float()
            elif value is not None:
                view = frame_inside(value.page, frame) if frame.options.get("fit") == "inside" else frame
                part = row[:, : view.size[0], : view.size[1]]
                part[:-1] = torch.from_numpy(resized_planes(value.planes(frame), view)).permute(2, 0, 1) / 127.5 - 1
                part[-1] = 1
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        return cls.model_construct(pixels=clean["picture"]), {}

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        return {"tool": "picture", "schema": cls.model_json_schema()}


def frame_inside(page: tuple[int, int], frame: Frame) -> Frame:
    """The largest frame of the page's proportions that fits inside `frame`, for the slot's option `fit` = "inside"."""
    scale = min(frame.size[0] / page[0], frame.size[1] / page[1])
    return Frame((max(1, round(page[0] * scale)), max(1, round(page[1] * scale))))


def resized_planes(planes: np.ndarray, frame: Frame) -> np.ndarray:
    """uint8 [h w c] cropped to the frame's box and resized to its size, as float32 0-255; averages areas when it shrinks."""
    from PIL import Image

    if frame.box is not None:
        left, top, right, bottom = frame.box
        planes = planes[top:bottom, left:right]
    size = (frame.size[1], frame.size[0])
    if planes.shape[:2] == frame.size:
        return planes.astype(np.float32)
    shrinks = planes.shape[1] > size[0]
    one = [
        np.asarray(Image.fromarray(planes[..., c]).resize(size, Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR))
        for c in range(planes.shape[2])
    ]
    return np.stack(one, -1).astype(np.float32)
