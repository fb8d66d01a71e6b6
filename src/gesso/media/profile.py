"""Colour profiles: conversion of pixels with an ICC profile to sRGB, and a profile for sRGB.

Everything inside is sRGB. A profile is applied only where it changes colour: most files name sRGB in one of its many
wordings, and their pixels stay as they are to the bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gesso.media.file import printable

MAX_BYTES = 2**22  # profiles of scanners with large tables have two million bytes
SAME = 2  # levels of 255 by which different profiles of sRGB differ
STRIP_PIXELS = 2**20
LONGEST_NAME = 80
_COLOUR_SPACE, _DEVICE_CLASS, _SIGNATURE = slice(16, 20), slice(12, 16), slice(36, 40)  # ICC.1:2022, table 17
_DATE, _ID = slice(24, 36), slice(84, 100)
_OF_DEVICES = {b"mntr", b"scnr", b"prtr", b"spac"}


def to_srgb(pixels: np.ndarray, profile: bytes | None) -> tuple[np.ndarray, str | None]:
    """Convert pixels to sRGB. Returns them and the profile's name, or None if they were not converted.

    `pixels` is uint8 [h w], [h w 3] or [h w 4] (alpha is kept). The conversion is LittleCMS's, relative colorimetric with
    black point compensation, so white stays white. Grey stays grey [h w] where the profile makes no colour of it. The
    pixels come back as they are where the profile means sRGB within two levels of 255, and where it is broken, larger
    than 4 MiB, of another kind (a grey one on colour, one for inks), or cannot be read here: nothing is raised.
    """
    if profile is None or not _is_plausible(profile):
        return pixels, None
    try:
        return _converted(pixels, profile)
    except Exception:  # the profile may be damaged in any way; the pixels are still usable
        return pixels, None


@cache
def srgb_profile() -> bytes:
    """An ICC profile of sRGB, about 600 bytes, deterministic, because its date is fixed."""
    from PIL import ImageCms

    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[_DATE], data[_ID] = bytes(12), bytes(16)
    data[24:30] = b"\x07\xd0\x00\x01\x00\x01"  # 1 January 2000, because the date must be valid
    return bytes(data)


def _is_plausible(profile: bytes) -> bool:
    return (
        128 < len(profile) <= MAX_BYTES
        and profile[_SIGNATURE] == b"acsp"
        and profile[_COLOUR_SPACE] in (b"RGB ", b"GRAY")
        and profile[_DEVICE_CLASS] in _OF_DEVICES
    )


def _converted(pixels: np.ndarray, profile: bytes) -> tuple[np.ndarray, str | None]:
    is_grey = profile[_COLOUR_SPACE] == b"GRAY"
    of_grey = pixels.ndim == 2 or (is_grey and _has_equal_channels(pixels))
    if is_grey and not of_grey:
        return pixels, None
    transform, name = _transform(profile, "L" if is_grey else "RGB")
    if not of_grey:
        return (pixels, None) if _changes_little(transform) else (_each_strip(pixels, transform), name)
    ramp = np.arange(256, dtype=np.uint8)
    table = _applied(transform, ramp[None] if is_grey else np.repeat(ramp[None, :, None], 3, -1))[0]
    if np.abs(table.astype(int) - ramp[:, None]).max() <= SAME:
        return pixels, None
    if np.ptp(table.astype(int), axis=-1).max() <= SAME:
        table = np.repeat(table[:, 1:2], 3, -1)
        if pixels.ndim == 2:
            return table[:, 0][pixels], name
    if pixels.ndim == 2:
        return table[pixels], name
    out = pixels.copy()
    out[..., :3] = table[pixels[..., 0]]
    return out, name


def _transform(profile: bytes, mode: str) -> tuple[Any, str]:
    import io

    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    try:
        name = printable(ImageCms.getProfileDescription(source).strip())[:LONGEST_NAME]
    except Exception:  # a profile without a name can still be used
        name = ""
    target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    how, black = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=how, flags=black), name or "unnamed"


def _applied(transform: Any, pixels: np.ndarray) -> np.ndarray:
    from PIL import Image, ImageCms

    out = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(pixels)), transform)
    assert out is not None
    return np.asarray(out)


def _changes_little(transform: Any) -> bool:
    """Whether every colour of a lattice through the cube, and every grey, changes by at most `SAME` levels."""
    steps = np.linspace(0, 255, 17).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(1, -1, 3)
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, -1)
    probe = np.concatenate([lattice, greys], 1)
    return int(np.abs(_applied(transform, probe).astype(int) - probe).max()) <= SAME


def _each_strip(pixels: np.ndarray, transform: Any) -> np.ndarray:
    out = pixels.copy()
    step = max(1, STRIP_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), step):
        out[top : top + step, :, :3] = _applied(transform, pixels[top : top + step, :, :3])
    return out


def _has_equal_channels(pixels: np.ndarray) -> bool:
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
