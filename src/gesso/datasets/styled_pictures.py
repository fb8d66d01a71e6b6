"""Contents and styles for feed-forward style transfer: parts of pictures, and of other pictures whose colours are changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gesso.datasets.dataset import describe_left_out
from gesso.datasets.dead_leaves import dead_leaves
from gesso.datasets.paired_pictures import to_images
from gesso.datasets.picture_files import MIN_PICTURES, files_of, pictures_in
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white

MADE_UP = {"train": (0, 60), "dev": (60, 12), "val": (72, 24)}  # first index and number of made-up pictures
KEPT_SIDE = 256  # pixels of a picture's shorter side in memory
RECOLOURED = 0.7  # of the styles: a picture's own colours alone would teach few palettes


@dataclass(frozen=True)
class StyledPictures:
    """`contents` and `styles` uint8 [h w 3]; each example is a part of a content and one of a style, `side` pixels wide and high.

    With `augment` parts have a random place and size and are mirrored, styles are drawn at random and most are given other colours.
    """

    name: str
    licence: str
    contents: Sequence[np.ndarray]
    styles: Sequence[np.ndarray]
    side: int
    augment: bool = True
    left_out: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.contents)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        """`picture` (the content) and `style`, uint8 [side side 3]."""
        if not self.augment:
            return {"picture": part(self.contents[index], self.side), "style": part(self.styles[index % len(self.styles)], self.side)}
        style = part(self.styles[int(rng.integers(len(self.styles)))], self.side, rng)
        recolour = rng.random() < RECOLOURED
        return {"picture": part(self.contents[index], self.side, rng), "style": recoloured(style, rng) if recolour else style}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`content` and `style` float [b 3 side side] in [-1, 1]."""
        return {"content": to_images([item["picture"] for item in items]), "style": to_images([item["style"] for item in items])}


def styled_pictures(folder: Path | None, split: str, side: int) -> StyledPictures:
    """Contents and styles from the subfolders `content` and `style`; where there are none, each picture is both; made up without a folder.

    Made-up pictures are styles in every case, and fewer than 8 styles of one's own are all learned. GessoError where fewer than 8 pictures
    can be read.
    """
    first, num = MADE_UP[split]
    made = [dead_leaves(first + i) for i in range(num)]
    if folder is None:
        return StyledPictures("made-up pictures (dead leaves)", "Apache-2.0", made, made, side, split == "train")
    place = Path(folder)
    if not place.is_dir():
        raise GessoError("there is no such folder", where=place, fix="a folder of pictures, or one with subfolders content and style")
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    apart = (place / "content").is_dir() and (place / "style").is_dir()
    contents = read_shrunk(place / "content" if apart else place, split, left_out, content)
    few = apart and len(pictures_in(place / "style")) < MIN_PICTURES
    styles = read_shrunk(place / "style", "all" if few else split, left_out, content) if apart else contents
    least = 1 if apart or split != "train" else MIN_PICTURES
    if min(len(contents), len(styles)) < least:
        what = f"{len(contents)} contents and {len(styles)} styles for {split!r} can be read" + (
            f"; not {describe_left_out(left_out)}" if left_out else ""
        )
        raise GessoError(what, where=place, fix=f"at least {MIN_PICTURES} pictures, or subfolders content and style")
    name = place.resolve().name
    return StyledPictures(name, "as their owner says", contents, [*styles, *made], side, split == "train", left_out, content.hexdigest())


def read_shrunk(place: Path, split: str, left_out: dict[str, str], content: Any) -> list[np.ndarray]:
    """The pictures of a split, made smaller to KEPT_SIDE; files that cannot be read come into `left_out`, hashes into `content`."""
    found = []
    for file in pictures_in(place) if split == "all" else files_of(place, split):
        try:
            data = read_bytes(file, where=file.name)
            found.append(shrunk(to_white(read_picture(data, where=file.name)), KEPT_SIDE))
        except GessoError as error:
            left_out[file.name] = error.what
            continue
        content.update(repr((place.name, file.name, hashlib.sha256(data).hexdigest())).encode())
    return found


def shrunk(picture: np.ndarray, least: int) -> np.ndarray:
    """A picture uint8 [h w 3] whose shorter side is at most `least`."""
    h, w = picture.shape[:2]
    scale = least / min(h, w)
    if scale >= 1:
        return picture
    return np.asarray(Image.fromarray(picture).resize((max(1, round(w * scale)), max(1, round(h * scale))), Image.Resampling.LANCZOS))


def part(picture: np.ndarray, side: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """A square part of a picture at side × side: the middle, or with `rng` one of a random size and place, mirrored half the time."""
    h, w = picture.shape[:2]
    least = min(h, w)
    size = least if rng is None else min(least, round(side * float(np.exp(rng.uniform(np.log(0.75), np.log(2.0))))))
    top, left = ((h - size) // 2, (w - size) // 2) if rng is None else (int(rng.integers(n - size + 1)) for n in (h, w))
    cut = Image.fromarray(np.ascontiguousarray(picture[top : top + size, left : left + size]))
    shown = np.asarray(cut.resize((side, side), Image.Resampling.BOX if size > side else Image.Resampling.BILINEAR))
    return shown[:, ::-1] if rng is not None and rng.random() < 0.5 else shown


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture uint8 [h w 3] with its colours turned around their mean, at another contrast and about another mean."""
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0] if rng.random() < 0.6 else np.eye(3)[rng.permutation(3)]
    values = picture.astype(np.float32) / 255
    mean = values.mean((0, 1))
    contrast = float(np.exp(rng.uniform(-0.7, 0.7)))
    about = 0.6 * rng.uniform(0.15, 0.85, 3) + 0.4 * mean
    made = (values - mean) @ (contrast * turned.T).astype(np.float32) + about.astype(np.float32)
    return (made.clip(0, 1) * 255).round().astype(np.uint8)
