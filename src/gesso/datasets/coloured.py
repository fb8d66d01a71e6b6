"""Own pictures as examples for colouring: each flat picture with dark lines is taken apart into its line and its colours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from gesso.datasets.dataset import said_of
from gesso.datasets.drawing_table import FINE, VARIANTS, bent_mesh, from_table, warped
from gesso.datasets.drawings import BLACK, UNCOLOURED, Drawing, Drawings, drawing, merged, nearest
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
LEAST = 8  # pictures, below which there is nothing to learn
INK, FREE = 70, 150  # a pixel whose brightest channel is below INK is all line, above FREE none
SOFT, SPECK = 2, 24  # pixels of FINE beside a line that are not looked at, and the fewest that make a colour
MEASURED, HELD_OUT = 10, 16  # one in so many is to be measured on, and of the others one in so many is for choices; neither is learned


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
    """The coloured pictures in a folder: "train"; "val", a tenth or so that is held out to be measured on; or "dev", fewer, for choices.

    Files that cannot be read are left out, and named in `left_out`; GessoError that names them all where fewer than 8 are left.
    """
    folder = Path(path)
    parts = splits(pictures_in(folder))
    by_size: dict[int, list[list[Drawing]]] = {size: [] for size in sorted(shares or {72: 1.0})}
    left_out: dict[str, str] = {}
    content = hashlib.sha256()
    good = number = 0
    for file, part in parts.items():
        if part != split and split != "train":
            continue
        try:
            data = read_bytes(file, where=file.name)
            picture = to_white(read_picture(data, where=file.name))
        except GessoError as error:
            left_out[file.name] = error.what
            continue
        good += 1
        if part != split:  # whoever trains is told of every broken file, and of those once
            continue
        content.update(repr((file.name, hashlib.sha256(data).hexdigest())).encode())
        line, classes = taken_apart(picture)
        rng = np.random.default_rng([13, number])
        number += 1
        for size, kept in by_size.items():
            kept.append(variants(line, classes, size, rng))
    if good < (LEAST if split == "train" else 1):
        some = f"of {len(parts)} pictures {good} can be read; not {said_of(left_out)}"
        what = some if left_out else f"the folder holds {len(parts)} pictures"
        raise GessoError(what, fix=f"at least {LEAST} coloured drawings with dark lines (300 are good)")
    weights = np.array([1.0 if (d[0].classes > BLACK).any() else UNCOLOURED for d in next(iter(by_size.values()))])
    return Drawings(
        "own pictures",
        "as their owner says",
        by_size,
        weights,
        augment=split == "train",
        shares=shares or {},
        left_out=left_out,
        content=content.hexdigest(),
    )


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, not of folders inside it, by name."""
    return sorted(one for one in folder.iterdir() if one.suffix.lower() in PICTURES and one.name[0] != "." and one.is_file())


def splits(files: Sequence[Path]) -> dict[Path, str]:
    """Which split each file is in: by its name alone, so that a picture that is held out stays so when others come. None is empty."""
    keys = {one: int(hashlib.sha256(one.name.encode("utf-8", "surrogateescape")).hexdigest(), 16) for one in files}
    parts = {one: "val" if key % MEASURED == 0 else "dev" if key // MEASURED % HELD_OUT == 0 else "train" for one, key in keys.items()}
    for wanted in ("val", "dev"):
        if wanted not in parts.values() and (free := [one for one in files if parts[one] == "train"]):
            parts[min(free, key=lambda one: keys[one])] = wanted
    return parts


def taken_apart(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Line values and palette entries, uint8 [FINE FINE], of a picture uint8 [h w 3], which lies in the middle of white paper.

    Ink is what is dark in every channel; what lies under it is the colour beside it.
    """
    square = on_paper(picture, FINE)
    line, classes, beside = _apart(square)
    return line, classes[beside]


def line_and_colours(picture: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The same with the colours themselves, uint8 [side side] and [side side 3]: what lies under the line is the colour beside it."""
    square = on_paper(picture, max(side, FINE))
    line, _, beside = _apart(square)
    shrunk = (np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BOX)) for one in (line, square[beside]))
    return next(shrunk).copy(), next(shrunk).copy()


def _apart(square: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Line values, palette entries, and for each pixel the one whose colour it has (itself, but under and beside the line)."""
    from skimage.measure import label

    brightest = square.max(-1).astype(np.float32)
    line = np.clip((brightest - INK) * 255 / (FREE - INK), 0, 255).round().astype(np.uint8)
    classes = nearest(square)
    # A line's soft edge is a mixture of ink and colour, which is neither's; specks come of JPEG and of soft brushes.
    unsure = ndimage.binary_dilation(line < 255, iterations=SOFT)
    specks = label(np.where(unsure, 0, classes.astype(np.int16) + 1), connectivity=1, background=0)
    unsure |= (np.bincount(specks.ravel()) < SPECK)[specks]
    if unsure.all():
        classes[:], unsure = 0, np.zeros_like(unsure)
    beside = ndimage.distance_transform_edt(unsure, return_distances=False, return_indices=True)
    return line, classes, tuple(beside)


def on_paper(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture shrunk or grown into the middle of a white square of `side` pixels."""
    scale = side / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    page = Image.new("RGB", (side, side), "white")
    page.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
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
