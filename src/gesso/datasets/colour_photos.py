"""Photographs and their colour, for models that colour grey ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gesso.datasets.cropped_pictures import CroppedPictures, cropped_pictures
from gesso.datasets.paired_pictures import to_images


@dataclass
class ColourPhotos(CroppedPictures):
    """Parts of pictures, with their a* and b*."""

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`chroma` float [b 2 side side]: CIE Lab's a* and b*."""
        from gesso.media.lab import to_lab

        return {"chroma": to_lab(to_images([item["picture"] for item in items]))[:, 1:]}


def colour_photos(folder: Path | None, split: str, side: int) -> ColourPhotos:
    """Parts of the pictures of a folder; made-up ones without a folder (see `cropped_pictures`)."""
    found = cropped_pictures(folder, split, side)
    return ColourPhotos(**{one.name: getattr(found, one.name) for one in fields(found)})
