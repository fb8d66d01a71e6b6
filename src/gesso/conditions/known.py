"""The kind "known": these pixels of the output are fixed, and the model generates the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import scipy
from pydantic import ValidationError, field_serializer, field_validator, model_validator

from gesso.conditions.condition import Clean, Condition, Truth
from gesso.conditions.picture import Pixels
from gesso.conditions.strokes import gestures_of
from gesso.errors import GessoError, as_gesso_error
from gesso.media.picture import data_url, from_data_url, read_picture
from gesso.person import Person
from gesso.ports import Frame, Ports, PortSizes

KNOWN_THRESHOLD = 128  # the smallest value of a mask or alpha channel that marks a pixel as known
BRUSH = 4.0  # a simulated person's brush, in radii of their pen


class Known(Condition):
    """`pixels` uint8 [h w] (or [h w 3], by the slot's option `channels`) and `mask` bool [h w], true where they are known.

    Pixels outside the mask are set to 0, so that values with equal known pixels compare equal. Only the size in the slot's option
    `size` (height, width) is accepted, because known pixels are kept to the bit and cannot be resized.
    """

    kind: ClassVar[str] = "known"
    reads: ClassVar[str] = "picture"
    pixels: Pixels
    mask: Pixels

    @field_validator("pixels", "mask", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        return from_data_url(value, least_side=1) if isinstance(value, str) else value

    @field_validator("mask", mode="after")
    @classmethod
    def _as_bool(cls, value: np.ndarray) -> np.ndarray:
        flat = value if value.ndim == 2 else value.max(-1)
        return flat if flat.dtype == bool else flat >= KNOWN_THRESHOLD

    @model_validator(mode="after")
    def _of_one_size(self) -> Self:
        if self.pixels.dtype != np.uint8 or self.pixels.shape[:2] != self.mask.shape:
            raise ValueError(f"pixels {list(self.pixels.shape)} and mask {list(self.mask.shape)} are not of one size")
        masked = np.where(self.mask if self.pixels.ndim == 2 else self.mask[..., None], self.pixels, 0).astype(np.uint8)
        object.__setattr__(self, "pixels", masked)
        return self

    @field_serializer("pixels")
    def _pixels_to_json(self, value: np.ndarray) -> str:
        return data_url(value)

    @field_serializer("mask")
    def _mask_to_json(self, value: np.ndarray) -> str:
        return data_url(value.astype(np.uint8) * 255)

    @property
    def page(self) -> tuple[int, int]:
        return self.mask.shape[0], self.mask.shape[1]

    @classmethod
    def read(cls, given: Any, *, where: str, options: Mapping[str, Any]) -> Self:
        """Parse one picture whose opaque part is known, "picture.png,mask.png", (picture, mask), or {"pixels": …, "mask": …}.

        A mask is white where the picture is known. Pictures may be files, data URLs, arrays or Pillow images.
        """
        picture, mask = _parts(given, where)
        pixels = read_picture(picture, where=where if not isinstance(picture, (str, Path)) else None, least_side=1)
        if mask is None:
            if pixels.ndim != 3 or pixels.shape[2] != 4:
                raise GessoError(
                    "does not say which part is known",
                    where=where,
                    fix="a picture that is transparent where it is not known, or picture.png,mask.png",
                )
            opaque, pixels = pixels[..., 3] >= KNOWN_THRESHOLD, pixels[..., :3]
        else:
            drawn = read_picture(mask, where=where if not isinstance(mask, (str, Path)) else None, least_side=1)
            opaque = (drawn if drawn.ndim == 2 else drawn[..., :3].max(-1)) >= KNOWN_THRESHOLD
        try:
            made = cls(pixels=_with_channels(pixels, options.get("channels", 1)), mask=opaque)
        except ValidationError as error:
            raise GessoError(as_gesso_error(error).what, where=where, fix="a picture and a mask of one size") from None
        made._check_size(options.get("size"), where)
        return made

    def fit(self, options: Mapping[str, Any], *, where: str) -> Self:
        """Convert to the slot's number of channels, because browsers never send grey pixels."""
        self._check_size(options.get("size"), where)
        pixels = _with_channels(self.pixels, options.get("channels", 1))
        return self if pixels.shape == self.pixels.shape else type(self)(pixels=pixels, mask=self.mask)

    def check(self, page: tuple[int, int] | None, *, where: str) -> None:
        self._check_size(page, where)

    def _check_size(self, size: tuple[int, int] | None, where: str) -> None:
        if size is not None and self.page != tuple(size):
            h, w = self.page
            raise GessoError(f"is {w} × {h} pixels", where=where, fix=f"exactly {size[1]} × {size[0]}: known pixels are not resized")

    @classmethod
    def sizes(cls, options: Mapping[str, Any]) -> PortSizes:
        return PortSizes(spatial=options.get("channels", 1) + 1)

    @classmethod
    def encode(cls, values: Sequence[Self | None], frame: Frame) -> Ports:
        """Encode as spatial: the known pixels in [-1, 1] and 0 elsewhere, then 1 where a pixel is known."""
        import torch

        out = torch.zeros(len(values), frame.options.get("channels", 1) + 1, *frame.size)
        for row, value in zip(out, values, strict=True):
            if value is None:
                continue
            value._check_size(frame.size, cls.kind)
            mask = torch.from_numpy(value.mask)
            pixels = torch.from_numpy(np.atleast_3d(value.pixels)).permute(2, 0, 1) / 127.5 - 1
            if len(pixels) != len(row) - 1:
                raise GessoError(f"has {len(pixels)} channels", where=cls.kind, fix=f"{len(row) - 1}")
            row[:-1] = pixels * mask
            row[-1] = mask
        return Ports(spatial=out)

    @classmethod
    def simulate(cls, clean: Clean, rng: np.random.Generator, budget: float, given: Any = None) -> tuple[Self | None, Truth]:
        """Simulate a known part of the clean `picture`: a half, a box or strokes, or all but that. A small budget gives a small part."""
        pixels = clean["picture"]
        mask = random_region(pixels.shape[:2], rng, budget)
        if not mask.any():
            return None, {}
        return cls.model_construct(
            pixels=np.where(mask if pixels.ndim == 2 else mask[..., None], pixels, 0).astype(np.uint8), mask=mask
        ), {}

    @classmethod
    def given_by(
        cls, person: Person, clean: Clean, rng: np.random.Generator, given: Any = None, before: Self | None = None, turns: int = 1
    ) -> tuple[Self | None, Truth]:
        """The true pixels under a brush where the output that the person looks at is wrong: at the worst place, or at any that is."""
        pixels = clean["picture"]
        h, w = pixels.shape[:2]
        done = np.zeros((h, w), bool) if before is None else before.mask
        wrong = np.ones((h, w)) * 255 if given is None else np.abs(np.asarray(given, np.float32) - pixels)
        wrong = np.where(done, 0, wrong if wrong.ndim == 2 else wrong.mean(-1))
        radius = max(1.0, BRUSH * person.pen * max(h, w))
        ys, xs = np.mgrid[:h, :w]
        mask = np.zeros((h, w), bool)
        for _ in range(turns * person.a_look):
            left = scipy.ndimage.uniform_filter(np.where(mask, 0, wrong), 2 * int(radius) + 1)
            places = np.flatnonzero(left.ravel() > person.content)
            if not len(places):
                break
            place = int(rng.choice(places)) if given is None or person.order == "any" else int(left.argmax())
            y, x = np.array(divmod(place, w)) + rng.normal(0, 1, 2) * person.wobble * max(h, w)
            mask |= np.hypot(ys - y, xs - x) <= radius
        mask &= ~done
        if not mask.any():
            return None, {}
        part = np.where(mask if pixels.ndim == 2 else mask[..., None], pixels, 0).astype(np.uint8)
        asked = np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels[..., :3]
        return cls.model_construct(pixels=part, mask=mask), {"meant": mask, "asked": asked}

    def merge(self, edit: Self) -> Self:
        """Merge both known parts. The edit's pixels win where they overlap."""
        if edit.page != self.page:
            return edit
        later = edit.mask if self.pixels.ndim == 2 else edit.mask[..., None]
        return type(self)(pixels=np.where(later, edit.pixels, self.pixels).astype(np.uint8), mask=self.mask | edit.mask)

    def with_branch(self, later: Self, base: Self | None) -> Self | None:
        """Pixel by pixel: what the later branch changed is as it says, protected or freed, and the rest as it is here."""
        if later.page != self.page or later.pixels.shape != self.pixels.shape:
            return later
        if base is None or base.page != self.page or base.pixels.shape != self.pixels.shape:
            changed = later.mask
        else:
            differs = later.pixels != base.pixels
            changed = (differs if differs.ndim == 2 else differs.any(-1)) | (later.mask != base.mask)
        mask = np.where(changed, later.mask, self.mask)
        pixels = np.where(changed if self.pixels.ndim == 2 else changed[..., None], later.pixels, self.pixels)
        return type(self)(pixels=pixels.astype(np.uint8), mask=mask) if mask.any() else None

    def paste(self, picture: np.ndarray) -> np.ndarray:
        """A copy of the picture (uint8, same shape) with the known pixels written into it."""
        if picture.shape != self.pixels.shape:
            raise GessoError(f"a known part of {list(self.pixels.shape)} does not fit a picture of {list(picture.shape)}", where=self.kind)
        return np.where(self.mask if picture.ndim == 2 else self.mask[..., None], self.pixels, picture).astype(np.uint8)

    @classmethod
    def control(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        about = {"size": options.get("size"), "channels": options.get("channels", 1)}
        return {"tool": "mask", "schema": cls.model_json_schema(), **about} | gestures_of(options, "stroke", "piece")


def random_region(size: tuple[int, int], rng: np.random.Generator, budget: float = 1.0) -> np.ndarray:
    """A bool mask [h w]: a half, a box, or strokes a seventh of the picture wide; inverted half the time."""
    h, w = size
    mask = np.zeros(size, bool)
    shape = rng.integers(3)
    if shape == 0:
        along = mask if rng.random() < 0.5 else mask.T
        span = round(len(along) * rng.uniform(0.25, 0.25 + 0.5 * budget))
        along[:span] = True
    elif shape == 1:
        tall, wide = (rng.integers(max(1, n // 5), max(2, round(n * (0.4 + 0.4 * budget)))) for n in size)
        top, left = rng.integers(h - tall + 1), rng.integers(w - wide + 1)
        mask[top : top + tall, left : left + wide] = True
    else:
        ys, xs = np.mgrid[:h, :w]
        for _ in range(rng.integers(1, 2 + round(3 * budget))):
            a, b = rng.uniform(0, (h, w), (2, 2))
            for t in np.linspace(0, 1, 16):
                y, x = a + t * (b - a)
                mask |= np.hypot(ys - y, xs - x) <= max(h, w) / 14
    return mask if rng.random() < 0.5 else ~mask


def _parts(given: Any, where: str) -> tuple[Any, Any]:
    """Split the input into the picture and the mask (None: use the picture's transparency)."""
    if isinstance(given, Mapping):
        if set(given) != {"pixels", "mask"}:
            raise GessoError(f"its keys are {', '.join(map(str, given)) or 'none'}", where=where, fix="give the keys pixels and mask")
        return given["pixels"], given["mask"]
    if isinstance(given, str) and not given.startswith("data:") and "," in given and not Path(given).is_file():
        files = given.split(",")
        if len(files) != 2:
            raise GessoError(f"names {len(files)} files", where=where, fix="picture.png,mask.png")
        return files[0].strip(), files[1].strip()
    if isinstance(given, (tuple, list)):
        if len(given) != 2:
            raise GessoError(f"holds {len(given)} things", where=where, fix="a picture and a mask")
        return given[0], given[1]
    return given, None


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        if pixels.ndim == 2:
            return pixels
        grey = pixels[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        return np.where((pixels[..., :1] == pixels[..., :3]).all(-1), pixels[..., 0], grey.round()).astype(np.uint8)
    return np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels[..., :3]
