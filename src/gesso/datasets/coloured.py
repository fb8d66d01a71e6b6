"""Own pictures as examples for colouring: each flat picture with dark lines is taken apart into its line and its colours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gesso.datasets.drawing_table import FINE, VARIANTS, bent_mesh, from_table, warped
from gesso.datasets.drawings import BLACK, UNCOLOURED, Drawing, Drawings, drawing, merged, nearest
from gesso.errors import GessoError
from gesso.media.picture import read_picture, to_white

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
LEAST = 8  # pictures, below which there is nothing to learn
INK, FREE = 70, 150  # a pixel whose brightest channel is below INK is all line, above FREE none
SOFT, SPECK = 2, 24  # pixels of FINE beside a line that are not looked at, and the fewest that make a colour
HELD_OUT = 16  # one in so many is for choices, not for learning


def from_folder(path: Path | str, split: str = "train", *, shares: Mapping[int, float] | None = None) -> Drawings:
    """Drawings of a folder: its parquet table; else all the tables of its sub-folders together; else its coloured pictures."""
    folder = Path(path)
    if not folder.is_dir() or any(folder.glob("*.parquet")):
        return from_table(folder, split, shares=shares)
    tables = sorted(one for one in folder.iterdir() if (one / "train.parquet").is_file())
    if tables:
        return merged([from_table(one, split, shares=shares) for one in tables])
    return from_pictures(folder, split, shares=shares)


def from_pictures(path: Path | str, split: str = "train", *, shares: Mapping[int, float] | None = None) -> Drawings:
    """The coloured pictures in a folder: "train", or "dev", about a sixteenth that is held out from it.

    GessoError naming the file that is no picture, or where there are fewer than 8.
    """
    folder = Path(path)
    files = sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES and one.name[0] != "." and one.is_file())
    if len(files) < LEAST:
        what = f"the folder holds {len(files)} pictures"
        raise GessoError(what, fix=f"at least {LEAST} coloured drawings with dark lines (300 are good)")
    held = [int(hashlib.sha256(one.name.encode("utf-8", "surrogateescape")).hexdigest(), 16) % HELD_OUT == 0 for one in files]
    held = held if any(held) else [number == 0 for number in range(len(files))]
    chosen = [one for one, out in zip(files, held, strict=True) if out == (split == "dev")]
    by_size: dict[int, list[list[Drawing]]] = {size: [] for size in sorted(shares or {72: 1.0})}
    for number, file in enumerate(chosen):
        line, classes = taken_apart(to_white(read_picture(file, where=file.name)))
        rng = np.random.default_rng([13, number])
        for size, kept in by_size.items():
            kept.append(variants(line, classes, size, rng))
    weights = np.array([1.0 if (d[0].classes > BLACK).any() else UNCOLOURED for d in next(iter(by_size.values()))])
    return Drawings("own pictures", "as their owner says", by_size, weights, augment=split == "train", shares=shares or {})


def taken_apart(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Line values and palette entries, uint8 [FINE FINE], of a picture uint8 [h w 3], which lies in the middle of white paper.

    Ink is what is dark in every channel; what lies under it is the colour beside it.
    """
    from skimage.measure import label

    square = on_paper(picture)
    brightest = square.max(-1).astype(np.float32)
    line = np.clip((brightest - INK) * 255 / (FREE - INK), 0, 255).round().astype(np.uint8)
    classes = nearest(square)
    # A line's soft edge is a mixture of ink and colour, which is neither's; specks come of JPEG and of soft brushes.
    unsure = ndimage.binary_dilation(line < 255, iterations=SOFT)
    specks = label(np.where(unsure, 0, classes.astype(np.int16) + 1), connectivity=1, background=0)
    unsure |= (np.bincount(specks.ravel()) < SPECK)[specks]
    if unsure.all():
        return line, np.zeros_like(classes)
    beside = ndimage.distance_transform_edt(unsure, return_distances=False, return_indices=True)
    return line, classes[tuple(beside)]


def on_paper(picture: np.ndarray) -> np.ndarray:
    """The picture shrunk or grown into the middle of a white square of FINE pixels."""
    scale = FINE / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    page = Image.new("RGB", (FINE, FINE), "white")
    page.paste(small, ((FINE - size[0]) // 2, (FINE - size[1]) // 2))
    return np.asarray(page)


def variants(line: np.ndarray, classes: np.ndarray, size: int, rng: np.random.Generator) -> list[Drawing]:
    """Copies at one size: the first as it is, the others wobbled, shifted, turned and scaled a little."""
    still = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0]), -1)
    made = []
    for number in range(VARIANTS.get(size, 3)):
        mesh = bent_mesh(rng) if number else still
        bent = warped(line, 2 * size, mesh, Image.Resampling.BILINEAR).reshape(size, 2, size, 2).mean((1, 3)).round().astype(np.uint8)
        made.append(drawing(bent, warped(classes, size, mesh, Image.Resampling.NEAREST)))
    return made
