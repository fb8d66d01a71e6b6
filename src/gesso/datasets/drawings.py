"""Line drawings and their flat colours: rendered from SVG in several sizes, pen widths and wobbles, or made up here."""

from __future__ import annotations

import hashlib
import io
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gesso.errors import GessoError, MissingExtra

WHITE, BLACK = 0, 1  # the palette's first colours: paper, and what lies under solid ink
# the closed palette that OpenMoji's drawings are made in
OPENMOJI = (
    "ffffff 000000 3f3f3f 9b9b9a d0cfce fcea2b f1b31c f4aa41 e27022 ea5a47 d22f27 781e32 ffa7c0 e67a94 8967aa b399c8 "
    "92d3f5 61b2e4 1e50a0 b1cc33 5c9e31 186648 fadcbc debb90 c19a65 a57939 6a462f 352318"
).split()
PALETTE = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in OPENMOJI], np.uint8)

FINE = 288  # SVGs are rendered this large, then warped down
PENS = (1.4, 2.0, 3.0)  # stroke widths, in 72nds of the drawing
# people hint at two in three drawings that want colour and never at one that wants none: seen as often, "no hints" would mean "no colour"
UNCOLOURED = 0.35
VARIANTS = {72: 6, 144: 3}  # warped copies kept, by size
AGAIN = 0.7  # how often a small drawing is warped anew from one twice its size, so that no two epochs are alike


@dataclass(frozen=True)
class Drawing:
    """`line` uint8 [h w]; `pieces` int16 [h w], the flat a pixel is in, under the line too; `classes` uint8 [n], their palette entries."""

    line: np.ndarray
    pieces: np.ndarray
    classes: np.ndarray


def drawing(line: np.ndarray, classes: np.ndarray) -> Drawing:
    """A Drawing from line values and a map of palette entries."""
    from skimage.measure import label

    pieces = label(classes.astype(np.int16) + 1, connectivity=1, background=-1) - 1
    first = np.zeros(pieces.max() + 1, np.uint8)
    first[pieces.ravel()] = classes.ravel()
    return Drawing(line, pieces.astype(np.int16), first)


@dataclass
class Drawings:
    """Clean examples for colouring: `line`, `pieces`, `classes`, `colours` and `across` (drawings per side of the page)."""

    name: str
    licence: str
    by_size: dict[int, list[list[Drawing]]]  # size -> drawing -> variants
    weights: np.ndarray | None = None
    augment: bool = True
    size: int = 72
    page: int = 1
    sizes: Sequence[tuple[int, int, float]] = field(default=((72, 1, 1.0),))  # (size, drawings per side, share of batches)

    def __len__(self) -> int:
        return len(next(iter(self.by_size.values())))

    def for_batch(self, rng: np.random.Generator) -> Drawings:
        """The same data at one of the sizes, for a whole batch."""
        shares = np.array([s[2] for s in self.sizes])
        size, page, _ = self.sizes[rng.choice(len(self.sizes), p=shares / shares.sum())]
        return Drawings(self.name, self.licence, self.by_size, self.weights, self.augment, size, page, self.sizes)

    def batch_size(self, full: int) -> int:
        """How many examples of this size cost as much as `full` of 72 x 72."""
        return max(4, round(full * 72**2 / self.size**2))

    def item(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        if self.page == 1:
            line, classes, pieces = self._one(index, self.size, rng)
        else:
            line, classes, pieces = self._page(index, rng)
        return {"line": line, "pieces": pieces, "classes": classes, "colours": PALETTE[classes], "across": self.page}

    def _one(self, index: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        variants = self.by_size[size][index]
        if not self.augment:
            return variants[0].line, variants[0].classes, variants[0].pieces
        d = variants[rng.integers(len(variants))]
        if 2 * size in self.by_size and rng.random() < AGAIN:
            larger = self.by_size[2 * size][index]
            d = _half(larger[rng.integers(len(larger))], rng)
        turn = (slice(None), slice(None, None, -1)) if rng.random() < 0.5 else (slice(None), slice(None))
        return d.line[turn], d.classes, d.pieces[turn]

    def _page(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Several drawings on one page, each somewhere in its cell; their paper is one piece."""
        cell = self.size // self.page
        small = min(s for s in self.by_size if s <= cell)
        line = np.full((self.size, self.size), 255, np.uint8)
        pieces = np.zeros((self.size, self.size), np.int16)
        classes = [np.zeros(1, np.uint8)]
        for k in range(self.page**2):
            one, of, where = self._one(index if k == 0 else int(rng.integers(len(self))), small, rng)
            y, x = (int(cell * c + rng.integers(cell - small + 1)) for c in divmod(k, self.page))
            line[y : y + small, x : x + small] = one
            border = np.unique(np.r_[where[0], where[-1], where[:, 0], where[:, -1]])
            paper = [b for b in border if of[b] == WHITE]
            pieces[y : y + small, x : x + small] = np.where(np.isin(where, paper), 0, where + sum(map(len, classes)))
            classes.append(of)
        return line, np.concatenate(classes), pieces

    def frame(self, items: Sequence[Mapping[str, Any]]) -> Any:
        from gesso.ports import Frame

        h, w = items[0]["line"].shape
        return Frame(size=(h, w), page=(h, w))

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import torch

        most = max(len(i["classes"]) for i in items)
        classes = np.full((len(items), most), -1, np.int64)
        for row, item in zip(classes, items, strict=True):
            row[: len(item["classes"])] = item["classes"]
        return {
            "line": torch.from_numpy(np.stack([i["line"] for i in items])),
            "pieces": torch.from_numpy(np.stack([i["pieces"] for i in items]).astype(np.int64)),
            "classes": torch.from_numpy(classes),
            "colours": torch.from_numpy(PALETTE[classes]),  # -1 pads, never looked up
        }


def from_table(
    path: Path | str, split: str = "train", *, limit: int | None = None, sizes: Sequence[tuple[int, int, float]] = ((72, 1, 1.0),)
) -> Drawings:
    """Drawings of a parquet table with columns color_svg, line_svg, cluster, flag: "train", or "dev", every 16th cluster held out from it.

    Clusters (nearly the same line drawing) count once, however many colourings they have. Renders are cached.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtra("pandas", "data", purpose="reading a parquet table") from None
    file = Path(path) / "train.parquet" if Path(path).is_dir() else Path(path)
    needed = ["color_svg", "line_svg", "cluster", "flag"]
    try:
        table = pd.read_parquet(file, columns=needed)
    except Exception as error:
        raise GessoError(
            f"is no table of drawings: {str(error)[:160]}", where=file, fix="a parquet file with columns " + ", ".join(needed)
        ) from None
    table = table[~table["flag"].astype(bool)]
    held = held_out(table)
    table = table[held if split == "dev" else ~held][:limit]
    if not len(table):
        raise GessoError(f"has no drawings for {split!r}", where=file)
    rendered = _cached(table, {s // p for s, p, _ in sizes})
    weights = 1.0 / table.groupby("cluster")["cluster"].transform("size").to_numpy(float)
    weights *= [1.0 if (d[0].classes > BLACK).any() else UNCOLOURED for d in next(iter(rendered.values()))]
    return Drawings("OpenMoji 17", "CC BY-SA 4.0", rendered, weights, augment=split == "train", sizes=sizes)


def held_out(table: Any) -> Any:
    """Which rows of a table belong to the sixteenth of its clusters that no training sees, on which choices are made."""
    return table["cluster"].map(lambda c: int(hashlib.sha256(str(c).encode()).hexdigest(), 16) % 16 == 0)


def made_up(split: str = "train", num: int = 48, size: int = 72) -> Drawings:
    """Drawings the project makes itself, so that everything runs without data: discs and boxes, one colour a shape, open now and then."""
    rng = np.random.default_rng([11, {"train": 0, "val": 1, "dev": 2}.get(split, 3)])
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    out = []
    for _ in range(num):
        line, classes = np.full((size, size), 255, np.uint8), np.zeros((size, size), np.uint8)
        for _ in range(rng.integers(1, 5)):
            cy, cx = rng.uniform(0.2, 0.8, 2) * size
            ry, rx = rng.uniform(0.1, 0.3, 2) * size
            round_ = rng.random() < 0.5
            away = np.hypot((ys - cy) / ry, (xs - cx) / rx) if round_ else np.maximum(abs(ys - cy) / ry, abs(xs - cx) / rx)
            inside, edge = away <= 1, (abs(away - 1) * min(ry, rx) <= 1.2)
            line[inside], classes[inside] = 255, 5 if round_ else rng.choice([0, 9, 16, 19])
            line[edge] = 0
        out.append([drawing(line, classes)])
    return Drawings("made up", "Apache-2.0", {size: out}, augment=split == "train")


def _cached(table: Any, sizes: set[int]) -> dict[int, list[list[Drawing]]]:
    """Renders of a table, kept under GESSO_CACHE or ~/.cache/gesso as npz, since they take minutes."""
    key = hashlib.sha256(
        ("".join(table.color_svg) + "".join(table.line_svg) + repr((sorted(sizes), PENS, VARIANTS, FINE))).encode()
    ).hexdigest()[:16]
    file = Path(os.environ.get("GESSO_CACHE") or Path.home() / ".cache" / "gesso") / f"drawings-{key}.npz"
    if file.is_file():
        with np.load(file) as kept:
            return {s: _unpack(kept, s, len(table)) for s in sorted(sizes)}
    from rich.progress import track

    made: dict[int, list[list[Drawing]]] = {s: [] for s in sorted(sizes)}
    work = [(row.line_svg, row.color_svg, sorted(sizes), n) for n, row in enumerate(table.itertuples())]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for one in track(pool.map(_variants_of, work, chunksize=16), description="drawing the examples", total=len(work)):
            for size, variants in one.items():
                made[size].append(variants)
    file.parent.mkdir(parents=True, exist_ok=True)
    packed: dict[str, np.ndarray] = {}
    for size, drawings in made.items():
        flat = [d for variants in drawings for d in variants]
        packed |= {f"line{size}": np.stack([d.line for d in flat]), f"pieces{size}": np.stack([d.pieces for d in flat])}
        packed |= {f"num{size}": np.array([len(d.classes) for d in flat]), f"classes{size}": np.concatenate([d.classes for d in flat])}
    part = file.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(part, **packed)  # type: ignore[arg-type]
    part.replace(file)
    return made


def _unpack(kept: Any, size: int, num: int) -> list[list[Drawing]]:
    lines, pieces = kept[f"line{size}"], kept[f"pieces{size}"]
    classes = np.split(kept[f"classes{size}"], np.cumsum(kept[f"num{size}"])[:-1])
    flat = [Drawing(*d) for d in zip(lines, pieces, classes, strict=True)]
    each = len(flat) // num
    return [flat[i : i + each] for i in range(0, len(flat), each)]


def _variants_of(work: tuple[str, str, list[int], int]) -> dict[int, list[Drawing]]:
    line_svg, colour_svg, sizes, n = work
    return _variants(line_svg, colour_svg, sizes, np.random.default_rng([7, n]))


def _variants(line_svg: str, colour_svg: str, sizes: Sequence[int], rng: np.random.Generator) -> dict[int, list[Drawing]]:
    """Copies of one drawing, the first as it is, the others with another pen, wobbled, shifted, turned and scaled a little."""
    fine_lines = [_render(_with_pen(line_svg, pen), FINE)[..., 0] for pen in PENS]
    fine_classes = nearest(_render(without_lines(colour_svg), FINE, crisp=True))
    out: dict[int, list[Drawing]] = {}
    for size in sizes:
        plain = drawing(_render(line_svg, size)[..., 0], nearest(_render(without_lines(colour_svg), size, crisp=True)))
        out[size] = [plain]
        for _ in range(VARIANTS.get(size, 3) - 1):
            mesh = bent_mesh(rng)
            line = fine_lines[rng.choice(len(PENS), p=(0.25, 0.5, 0.25))]
            bent = warped(line, 2 * size, mesh, Image.Resampling.BILINEAR).reshape(size, 2, size, 2).mean((1, 3)).round().astype(np.uint8)
            out[size].append(drawing(bent, warped(fine_classes, size, mesh, Image.Resampling.NEAREST)))
    return out


def bent_mesh(rng: np.random.Generator, cells: int = 4) -> np.ndarray:
    """Where a (cells+1)^2 grid of the result looks in the source, in [0, 1]: turned, scaled, shifted, wobbling."""
    at = np.linspace(0, 1, cells + 1)
    grid = np.stack(np.meshgrid(at, at), -1) - 0.5
    angle, scale = rng.normal(0, 0.08), rng.uniform(0.85, 1.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    return grid @ turn + 0.5 + rng.uniform(-0.06, 0.06, 2) + rng.normal(0, 0.01, grid.shape)


def warped(source: np.ndarray, size: int, mesh: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """The source seen through a mesh, at [size size]; outside is white, which is 255 in a line and WHITE in classes."""
    fill = 255 if how == Image.Resampling.BILINEAR else WHITE
    margin = source.shape[0] // 4
    padded = np.pad(source, margin, constant_values=fill)
    at = mesh * source.shape[0] + margin
    cells = len(mesh) - 1
    edge = np.round(np.linspace(0, size, cells + 1)).astype(int)
    data = []
    for j in range(cells):
        for i in range(cells):
            quad = np.concatenate([at[j, i], at[j + 1, i], at[j + 1, i + 1], at[j, i + 1]])
            data.append(((edge[i], edge[j], edge[i + 1], edge[j + 1]), tuple(float(v) for v in quad)))
    return np.asarray(Image.fromarray(padded).transform((size, size), Image.Transform.MESH, data, how, fill=1, fillcolor=fill))


def _half(d: Drawing, rng: np.random.Generator) -> Drawing:
    """A drawing at half its size, seen through a new mesh; its pieces keep their numbers, and beyond its edge is what its corner has."""
    size, mesh, corner = len(d.line) // 2, bent_mesh(rng), int(d.pieces[0, 0])
    line = warped(d.line, 2 * size, mesh, Image.Resampling.BILINEAR).reshape(size, 2, size, 2).mean((1, 3)).round().astype(np.uint8)
    pieces = warped(d.pieces.astype(np.int32) - corner, size, mesh, Image.Resampling.NEAREST) + corner
    return Drawing(line, pieces.astype(np.int16), d.classes)


def nearest(picture: np.ndarray) -> np.ndarray:
    """Palette entries uint8 [h w] nearest to a picture's colours."""
    packed = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    codes, back = np.unique(packed.ravel(), return_inverse=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1)
    away = ((colours[:, None] - PALETTE[None].astype(int)) ** 2).sum(-1)
    return away.argmin(1).astype(np.uint8)[back.reshape(picture.shape[:2])]


def without_lines(svg: str) -> str:
    """The flats alone: an SVG less its groups whose id begins with "line"."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if (child.get("id") or "").startswith("line"):
                parent.remove(child)
    return ET.tostring(root, encoding="unicode")


def _with_pen(svg: str, pen: float) -> str:
    return re.sub(r'stroke-width="([\d.]+)"', lambda m: f'stroke-width="{float(m[1]) * pen / 2:.3f}"', svg)


def _render(svg: str, size: int, *, crisp: bool = False) -> np.ndarray:
    try:
        import resvg_py
    except ImportError:
        raise MissingExtra("resvg-py", "data", purpose="rendering SVG drawings") from None
    how: Literal["crisp_edges", "geometric_precision"] = "crisp_edges" if crisp else "geometric_precision"
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, shape_rendering=how, skip_system_fonts=True))
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    page = Image.new("RGBA", picture.size, "white")
    page.alpha_composite(picture)
    return np.asarray(page.convert("RGB"))
