"""The user's own pictures as training examples for colouring: each flat picture with dark lines is split into line and colours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy
from PIL import Image

from gesso.datasets.dataset import describe_left_out
from gesso.datasets.drawing_table import RENDER_SIZE, VARIANTS, from_table, random_mesh, warped
from gesso.datasets.drawings import BLACK, UNCOLOURED, Drawing, Drawings, drawing, merged, nearest
from gesso.datasets.picture_files import MIN_PICTURES, pictures_in, splits
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.picture import read_picture, to_white

INK_BELOW, WHITE_ABOVE = 70, 150  # a pixel whose brightest channel is below the first is all line, above the second no line
EDGE_WIDTH, MIN_SPECK = 2, 24  # at RENDER_SIZE: width of a line's soft edge in pixels, and the fewest pixels of a colour


def from_folder(path: Path | str, split: str = "train", *, shares: Mapping[int, float] | None = None) -> Drawings:
    """The drawings of a folder: its parquet table, else all tables in its sub-folders, else its coloured pictures."""
    folder = Path(path)
    if not folder.is_dir() or any(folder.glob("*.parquet")):
        return from_table(folder, split, shares=shares)
    tables = sorted(one for one in folder.iterdir() if (one / "train.parquet").is_file())
    if tables:
        return merged([from_table(one, split, shares=shares) for one in tables])
    return from_pictures(folder, split, shares=shares)


def from_pictures(path: Path | str, split: str = "train", *, shares: Mapping[int, float] | None = None) -> Drawings:
    """The coloured pictures in a folder: "train"; "val", about a tenth, for measurements; or "dev", for choices during training.

    Files that cannot be read are skipped and named in `left_out`; GessoError that names them if fewer than 8 pictures remain.
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
        if part != split:  # "train" reads the other splits only to report their broken files
            continue
        content.update(repr((file.name, hashlib.sha256(data).hexdigest())).encode())
        line, classes = split_picture(picture)
        rng = np.random.default_rng([13, number])
        number += 1
        for size, kept in by_size.items():
            kept.append(variants(line, classes, size, rng))
    if good < (MIN_PICTURES if split == "train" else 1):
        some = f"of {len(parts)} pictures {good} can be read; not {describe_left_out(left_out)}"
        what = some if left_out else f"the folder holds {len(parts)} pictures"
        raise GessoError(what, fix=f"at least {MIN_PICTURES} coloured drawings with dark lines (300 are good)")
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


def split_picture(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a picture uint8 [h w 3], centred on white paper, into line values and palette entries, uint8 [RENDER_SIZE RENDER_SIZE].

    Pixels that are dark in every channel are ink; under ink, the palette entry is that of the nearest colour.
    """
    square = on_paper(picture, RENDER_SIZE)
    line, classes, beside = _split(square)
    return line, classes[beside]


def line_and_colours(picture: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Split a picture into line values uint8 [side side] and colours uint8 [side side 3]; under ink, the nearest colour."""
    square = on_paper(picture, max(side, RENDER_SIZE))
    line, _, beside = _split(square)
    shrunk = (np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BOX)) for one in (line, square[beside]))
    return next(shrunk).copy(), next(shrunk).copy()


def _split(square: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, ...]]:
    """Line values, palette entries, and for each pixel the index of the pixel whose colour it takes (another one under and near ink)."""
    from skimage.measure import label

    brightest = square.max(-1).astype(np.float32)
    line = np.clip((brightest - INK_BELOW) * 255 / (WHITE_ABOVE - INK_BELOW), 0, 255).round().astype(np.uint8)
    classes = nearest(square)
    # The soft edge of a line mixes ink and colour; specks are artefacts of JPEG and soft brushes.
    unsure = scipy.ndimage.binary_dilation(line < 255, iterations=EDGE_WIDTH)
    specks = label(np.where(unsure, 0, classes.astype(np.int16) + 1), connectivity=1, background=0)
    unsure |= (np.bincount(specks.ravel()) < MIN_SPECK)[specks]
    if unsure.all():
        classes[:], unsure = 0, np.zeros_like(unsure)
    beside = scipy.ndimage.distance_transform_edt(unsure, return_distances=False, return_indices=True)
    return line, classes, tuple(beside)


def on_paper(picture: np.ndarray, side: int) -> np.ndarray:
    """Scale the picture to fit into the middle of a white square of `side` pixels."""
    scale = side / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    small = Image.fromarray(picture).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR)
    page = Image.new("RGB", (side, side), "white")
    page.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(page)


def variants(line: np.ndarray, classes: np.ndarray, size: int, rng: np.random.Generator) -> list[Drawing]:
    """Copies at one size: the first unchanged, the others slightly warped, shifted, rotated and scaled."""
    still = np.stack(np.meshgrid([0.0, 1.0], [0.0, 1.0]), -1)
    made = []
    for number in range(VARIANTS.get(size, 3)):
        mesh = random_mesh(rng) if number else still
        bent = warped(line, 2 * size, mesh, Image.Resampling.BILINEAR).reshape(size, 2, size, 2).mean((1, 3)).round().astype(np.uint8)
        made.append(drawing(bent, warped(classes, size, mesh, Image.Resampling.NEAREST)))
    return made
