"""Drawings from a parquet table: SVGs rendered with several pens and warps, or pictures of whole scenes. The renders are cached."""

from __future__ import annotations

import hashlib
import io
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gesso.datasets.drawings import BLACK, UNCOLOURED, WHITE, Drawing, Drawings, drawing, nearest
from gesso.errors import GessoError, MissingExtra

RENDER_SIZE = 288  # pixels: SVGs are rendered at this size and warped to a smaller one
PENS = (0.7, 1.0, 1.5)  # stroke widths relative to the drawing's own
HIDDEN_PEN = 0.05  # stroke width that does not cover the colours of a colour drawing
VARIANTS = {72: 4, 144: 2}  # copies of a drawing by size; the first is unchanged
REGIONS_VERSION = 2  # increased when the rules for regions change, so that cached drawings are rendered again
MAX_DRAWING_SIZE = 150  # single drawings are used up to this size, scenes above it
UNSEEN_SOURCES = ("dicebear-micah", "flat-color-icons")  # sources held out from training, to measure generalisation to new styles
NEEDED = ("cluster", "flag")
KINDS = (("color_svg", "line_svg"), ("line", "flat"))  # columns of drawings (SVG text) and of scenes (pictures)


def from_table(path: Path | str, split: str = "train", *, limit: int | None = None, shares: Mapping[int, float] | None = None) -> Drawings:
    """The drawings of a parquet table: "train", or "dev", the rows that `held_out` marks.

    The columns are cluster, flag and either color_svg and line_svg (drawings) or line and flat as PNG bytes (scenes). Each cluster
    (colourings of nearly the same line drawing) has the same total weight. `shares` lists the sizes. Renders are cached.
    """
    file = Path(path) / "train.parquet" if Path(path).is_dir() else Path(path)
    table, kind = _read(file)
    table = table[~table["flag"].astype(bool)]
    held = held_out(table)
    table = table[held if split == "dev" else ~held]
    if kind == KINDS[0]:
        table = table[(table["color_svg"] != "") & (table["line_svg"] != "")]
    table = table[:limit]
    if not len(table):
        raise GessoError(f"has no drawings for {split!r}", where=file)
    shares = shares or {72: 1.0}
    sizes = sorted(size for size in shares if (size <= MAX_DRAWING_SIZE) == (kind == KINDS[0])) or [min(shares)]
    rendered = _cached(table, kind, sizes)
    weights = 1.0 / table.groupby("cluster")["cluster"].transform("size").to_numpy(float)
    weights *= [1.0 if (d[0].classes > BLACK).any() else UNCOLOURED for d in rendered[sizes[0]]]
    name = file.parent.name if file.stem == "train" else file.stem
    content = _content(table, kind)
    licence = ", ".join(sorted(map(str, table["licence"].unique()))) if "licence" in table else "as the table says"
    return Drawings(name, licence, rendered, weights, augment=split == "train", shares=shares, content=content)


def _read(file: Path) -> tuple[Any, tuple[str, str]]:
    try:
        import pandas as pd
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pandas", "data", purpose="reading a parquet table") from None
    wanted = "a parquet file with columns cluster, flag, and color_svg and line_svg, or line and flat"
    try:
        names = set(parquet.read_schema(file).names)
        kind = next((kind for kind in KINDS if {*kind, *NEEDED} <= names), None)
        if kind is None:
            raise GessoError(f"the table has columns {', '.join(sorted(names))[:160]}", where=file, fix=wanted)
        extra = [name for name in ("source", "licence") if name in names]
        return pd.read_parquet(file, columns=[*kind, *NEEDED, *extra]), kind
    except GessoError:
        raise
    except Exception as error:
        raise GessoError(f"is not a table of drawings: {str(error)[:160]}", where=file, fix=wanted) from None


def _content(table: Any, kind: tuple[str, str]) -> str:
    """A hash of the rows' contents, independent of how they are rendered."""
    digest = hashlib.sha256()
    for one, other, cluster in zip(table[kind[0]], table[kind[1]], table["cluster"], strict=True):
        for value in (one, other, str(cluster)):
            data = value if isinstance(value, bytes) else value.encode()
            digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def held_out(table: Any) -> Any:
    """The rows that are held out from training: a sixteenth of the clusters, and all rows of UNSEEN_SOURCES."""
    apart = table["cluster"].map(lambda c: int(hashlib.sha256(str(c).encode()).hexdigest(), 16) % 16 == 0)
    return apart | table["source"].isin(UNSEEN_SOURCES) if "source" in table else apart


def _cached(table: Any, kind: tuple[str, str], sizes: Sequence[int]) -> dict[int, list[list[Drawing]]]:
    """The renders of a table, cached as npz under GESSO_CACHE or ~/.cache/gesso, because rendering takes minutes."""
    digest = hashlib.sha256(repr((kind, list(sizes), PENS, HIDDEN_PEN, VARIANTS, RENDER_SIZE, REGIONS_VERSION)).encode())
    for column in kind:
        for one in table[column]:
            digest.update(one if isinstance(one, bytes) else one.encode())
    file = Path(os.environ.get("GESSO_CACHE") or Path.home() / ".cache" / "gesso") / f"drawings-{digest.hexdigest()[:16]}.npz"
    if file.is_file():
        with np.load(file) as kept:
            return {s: _unpack(kept, s, len(table)) for s in sizes}
    made = _made(table, kind, sizes)
    file.parent.mkdir(parents=True, exist_ok=True)
    packed: dict[str, np.ndarray] = {}
    for size, drawings in made.items():
        flat = [d for variants in drawings for d in variants]
        packed |= {f"{name}{size}": np.stack([getattr(d, name) for d in flat]) for name in ("line", "pieces", "regions")}
        packed |= {f"num{size}": np.array([len(d.classes) for d in flat]), f"classes{size}": np.concatenate([d.classes for d in flat])}
    part = file.with_suffix(f".{os.getpid()}.npz")
    np.savez_compressed(part, **packed)  # type: ignore[arg-type]
    part.replace(file)
    return made


def _made(table: Any, kind: tuple[str, str], sizes: Sequence[int]) -> dict[int, list[list[Drawing]]]:
    from rich.progress import track

    made: dict[int, list[list[Drawing]]] = {s: [] for s in sizes}
    work = [(one, other, list(sizes), n) for n, (one, other) in enumerate(zip(table[kind[0]], table[kind[1]], strict=True))]
    draw = _of_svg if kind == KINDS[0] else _of_pictures
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for one in track(pool.map(draw, work, chunksize=16), description="drawing the examples", total=len(work)):
            for size, variants in one.items():
                made[size].append(variants)
    return made


def _unpack(kept: Any, size: int, num: int) -> list[list[Drawing]]:
    lines, pieces, regions = (kept[f"{name}{size}"] for name in ("line", "pieces", "regions"))
    classes = np.split(kept[f"classes{size}"], np.cumsum(kept[f"num{size}"])[:-1])
    flat = [Drawing(*d) for d in zip(lines, pieces, classes, regions, strict=True)]
    each = len(flat) // num
    return [flat[i : i + each] for i in range(0, len(flat), each)]


def _of_pictures(work: tuple[bytes, bytes, list[int], int]) -> dict[int, list[Drawing]]:
    line, flat = (Image.open(io.BytesIO(png)) for png in work[:2])
    out = {}
    for size in work[2]:
        scale = size / max(line.size)
        small = round(line.width * scale), round(line.height * scale)
        values = np.asarray(line.convert("L").resize(small, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR))
        classes = nearest(np.asarray(flat.convert("RGB").resize(small, Image.Resampling.NEAREST)))
        out[size] = [drawing(values, classes)]
    return out


def _of_svg(work: tuple[str, str, list[int], int]) -> dict[int, list[Drawing]]:
    colour_svg, line_svg, sizes, n = work
    return variants_of(line_svg, colour_svg, sizes, np.random.default_rng([7, n]))


def variants_of(line_svg: str, colour_svg: str, sizes: Sequence[int], rng: np.random.Generator) -> dict[int, list[Drawing]]:
    """Copies of one drawing by size: the first unchanged, the others with another pen and slightly warped, shifted, rotated and scaled."""
    coloured = _with_pen(without_lines(colour_svg), HIDDEN_PEN)
    fine_classes = nearest(_render(coloured, RENDER_SIZE, crisp=True))
    pens: dict[float, np.ndarray] = {}
    out: dict[int, list[Drawing]] = {}
    for size in sizes:
        plain = _render(line_svg, size)[..., 0]
        out[size] = [drawing(plain, nearest(_render(coloured, size, crisp=True)))]
        for _ in range(VARIANTS.get(size, 2) - 1):
            mesh, pen = random_mesh(rng), float(rng.choice(PENS, p=(0.25, 0.5, 0.25)))
            if pen not in pens:
                pens[pen] = _render(_with_pen(line_svg, pen), RENDER_SIZE)[..., 0]
            bent = warped(pens[pen], 2 * size, mesh, Image.Resampling.BILINEAR).reshape(size, 2, size, 2).mean((1, 3)).round()
            out[size].append(drawing(bent.astype(np.uint8), warped(fine_classes, size, mesh, Image.Resampling.NEAREST)))
    return out


def random_mesh(rng: np.random.Generator, cells: int = 4) -> np.ndarray:
    """A random warp: for a (cells+1)² grid of the result, positions in the source in [0, 1], rotated, scaled, shifted and jittered."""
    at = np.linspace(0, 1, cells + 1)
    grid = np.stack(np.meshgrid(at, at), -1) - 0.5
    angle, scale = rng.normal(0, 0.08), rng.uniform(0.85, 1.15)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    return grid @ turn + 0.5 + rng.uniform(-0.06, 0.06, 2) + rng.normal(0, 0.01, grid.shape)


def warped(source: np.ndarray, size: int, mesh: np.ndarray, how: Image.Resampling) -> np.ndarray:
    """Warp the source by a mesh to [size size]; outside is white, which is 255 in line values and WHITE in classes."""
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


def without_lines(svg: str) -> str:
    """Remove the groups whose id begins with "line" from an SVG, which leaves the flat colours."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if (child.get("id") or "").startswith("line"):
                parent.remove(child)
    return ET.tostring(root, encoding="unicode")


def _with_pen(svg: str, pen: float) -> str:
    return re.sub(r'stroke-width="([\d.]+)"', lambda m: f'stroke-width="{float(m[1]) * pen:.3f}"', svg)


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
