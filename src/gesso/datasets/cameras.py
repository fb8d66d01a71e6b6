"""Photographs with cameras: Blender's and nerfstudio's transforms.json, and COLMAP's text files.

Cameras are held in one convention, OpenGL's and Blender's: camera-to-world matrices; a camera looks along its -z with +y up.
The held-out views are the file's own (transforms_test.json, or test_filenames), else every eighth view in the file's order, from
the first; with fewer than eight views none is held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.file import printable
from gesso.media.picture import read_picture

EVERY = 8  # each eighth view is held out
MAX_VIEWS = 4000
MAX_VALUES = 600_000_000  # of all pictures together, as uint8
VIEW = Budget()


@dataclass(frozen=True)
class Lens:
    """Focal lengths and middle in pixels (the first pixel's centre is 0.5), `size` (height, width), and distortion k1 k2 p1 p2."""

    fx: float
    fy: float
    cx: float
    cy: float
    size: tuple[int, int]
    distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def scaled(self, size: tuple[int, int]) -> Lens:
        """The lens of the same picture at another size."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        return replace(self, fx=self.fx * across, fy=self.fy * down, cx=self.cx * across, cy=self.cy * down, size=size)

    def directions(self) -> np.ndarray:
        """The directions [h w 3] of the pixels' centres in the camera's coordinates, of unit length."""
        h, w = self.size
        x = np.broadcast_to((np.arange(w) + 0.5 - self.cx) / self.fx, (h, w))
        y = np.broadcast_to(((np.arange(h) + 0.5 - self.cy) / self.fy)[:, None], (h, w))
        x, y = undistorted(x, y, self.distortion)
        rays = np.stack([x, -y, -np.ones((h, w))], -1)
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


@dataclass(frozen=True)
class View:
    """One photograph: its `name`, its file, its lens and its camera-to-world matrix [4 4]."""

    name: str
    path: Path
    lens: Lens
    matrix: np.ndarray


@dataclass(frozen=True)
class Capture:
    """All views of a place: those to learn from and those held out, a text about how they were divided, the `points` [n 3] of a
    reconstruction (or none), and pictures that have no camera."""

    train: tuple[View, ...]
    held: tuple[View, ...]
    rule: str
    points: np.ndarray
    unposed: tuple[str, ...] = ()


class Views:
    """Views with their pixels, uint8 [h w], [h w 3] or [h w 4]; the `points` [n 3] of a reconstruction; the views `held` out, if any."""

    licence = "as the photographs"

    def __init__(self, views: Sequence[View], pixels: Sequence[np.ndarray], name: str = "photographs with cameras") -> None:
        if not views:
            raise GessoError("there are no views", where=name, fix="photographs with cameras")
        self.name, self.views, self.pixels = name, list(views), list(pixels)
        self.points, self.held = np.zeros((0, 3)), None

    points: np.ndarray
    held: Views | None

    @classmethod
    def load(cls, views: Sequence[View], longest: int = 0) -> Self:
        """Read the pictures of views."""
        return cls(*load_views(views, longest))

    def some(self, num: int) -> Self:
        """At most `num` of the views, evenly spread over their order."""
        chosen = np.unique(np.linspace(0, len(self) - 1, min(num, len(self))).round().astype(int))
        few = type(self)([self.views[i] for i in chosen], [self.pixels[i] for i in chosen], self.name)
        few.points, few.held = self.points, self.held
        return few

    def __len__(self) -> int:
        return len(self.views)

    def item(self, index: int, rng: np.random.Generator) -> Mapping[str, Any]:
        view = self.views[index]
        return {"picture": self.pixels[index], "matrix": view.matrix, "lens": view.lens}

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """`image` float [b 4 h w] in [0, 1] (opacity last) and `matrix` [b 4 4]; the views must be of one size."""
        import torch

        pixels = torch.from_numpy(np.stack([with_opacity(item["picture"]) for item in items]))
        return {
            "image": pixels.permute(0, 3, 1, 2).float() / 255,
            "matrix": torch.from_numpy(np.stack([item["matrix"] for item in items])).float(),
        }


def load_views(views: Sequence[View], longest: int) -> tuple[list[View], list[np.ndarray]]:
    """The views and their pixels, scaled down to the side `longest` (0: as they are).

    GessoError where a picture cannot be read or is not of the size that its lens says.
    """
    from PIL import Image

    made: list[View] = []
    pixels: list[np.ndarray] = []
    values = 0
    for view in views:
        picture = read_picture(view.path, budget=VIEW)
        h, w = picture.shape[:2]
        if view.lens.size == (0, 0):
            view = replace(view, lens=_of_field(view.lens, (h, w)))
        if view.lens.size != (h, w):
            told = view.lens.size
            if abs(told[0] * w - told[1] * h) > max(told):  # another shape; only a smaller copy of the same picture can be meant
                raise GessoError(
                    f"is {w} × {h} pixels, but its camera was made for {told[1]} × {told[0]}",
                    where=printable(view.path),
                    fix="give the pictures that the cameras were computed from",
                )
            view = replace(view, lens=view.lens.scaled((h, w)))
        if 0 < longest < max(h, w):
            size = max(1, round(h * longest / max(h, w))), max(1, round(w * longest / max(h, w)))
            picture = np.asarray(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BOX))
            view = replace(view, lens=view.lens.scaled(size))
        values += picture.size
        if values > MAX_VALUES:
            raise GessoError(
                "the pictures are too large together", where=printable(view.path.parent), fix="scale them down with the setting longest"
            )
        made.append(view)
        pixels.append(picture)
    return made, pixels


def with_opacity(picture: np.ndarray) -> np.ndarray:
    """Any picture as uint8 [h w 4]."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, -1)
    if picture.shape[-1] == 4:
        return picture
    return np.concatenate([picture, np.full_like(picture[..., :1], 255)], -1)


def undistorted(x: np.ndarray, y: np.ndarray, distortion: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Normalised positions without the lens's distortion (Brown's model), by fixed-point iteration as OpenCV does."""
    k1, k2, p1, p2 = distortion
    if not any(distortion):
        return x, y
    u, v = x, y
    for _ in range(20):
        r2 = u * u + v * v
        radial = 1 + k1 * r2 + k2 * r2 * r2
        u, v = (
            (x - 2 * p1 * u * v - p2 * (r2 + 2 * u * u)) / radial,
            (y - p1 * (r2 + 2 * v * v) - 2 * p2 * u * v) / radial,
        )
    return u, v


def inside(folder: Path, name: str, where: object) -> Path:
    """The picture that a cameras' file names, with an ending if the name has none. GessoError where it leaves the folder."""
    if not name or "\0" in name:
        raise GessoError(f"names the picture {printable(name)!r}", where=where, fix="the path of a picture in the folder")
    root = folder.resolve()
    candidates = [folder / (name + ending) for ending in ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG")]
    try:
        within = all(one.resolve().is_relative_to(root) for one in candidates)  # a link may lead outside too
        found = next((one for one in candidates if one.is_file()), None)
    except (OSError, ValueError):  # too long, or no text that a file can be named by
        raise GessoError(f"names the picture {printable(name[:80])!r}", where=where, fix="the path of a picture in the folder") from None
    if not within:
        raise GessoError(f"names {printable(name)!r}, outside the folder", where=where, fix="pictures inside the folder")
    if found is None:
        raise GessoError(f"names the picture {printable(name)!r}, which is missing", where=where, fix="put it there, or remove its camera")
    return found


def checked_matrix(values: Any, where: object) -> np.ndarray:
    """A camera-to-world matrix [4 4] from nested lists [4 4] or [3 4]. GessoError unless it is finite and turns without mirroring.

    A uniform scale of the turning part is removed.
    """
    try:
        matrix = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.zeros(0)
    if matrix.shape not in ((4, 4), (3, 4)):
        raise GessoError("is not a matrix of 4 × 4 numbers", where=where, fix="a camera-to-world matrix")
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 1e9:
        raise GessoError("holds a value that is no number, or is too large", where=where, fix="a camera-to-world matrix")
    whole = np.eye(4)
    whole[:3] = matrix[:3]
    scale = np.cbrt(np.linalg.det(whole[:3, :3]))
    if not 1e-6 < scale < 1e6:
        raise GessoError("mirrors or flattens space", where=where, fix="a turn and a position: determinant above zero")
    whole[:3, :3] /= scale
    if np.abs(whole[:3, :3] @ whole[:3, :3].T - np.eye(3)).max() > 1e-2:
        raise GessoError("shears space", where=where, fix="a turn and a position")
    return whole


def divided(views: Sequence[View], held_names: Sequence[str] | None, where: object) -> tuple[tuple[View, ...], tuple[View, ...], str]:
    """The views to learn from, the held ones, and the rule in words."""
    if not views:
        raise GessoError("holds no cameras", where=where, fix="at least one picture with its camera")
    if held_names:
        names = set(held_names)
        held = tuple(view for view in views if view.name in names)
        return tuple(view for view in views if view.name not in names), held, f"{len(held)} views that the file names as test"
    if len(views) < EVERY:
        return tuple(views), (), f"fewer than {EVERY} views: none is held out"
    held = tuple(views[::EVERY])
    return tuple(view for number, view in enumerate(views) if number % EVERY), held, f"every {EVERY}th view is held out, from the first"


def _of_field(lens: Lens, size: tuple[int, int]) -> Lens:
    """A lens that was given by its horizontal field of view alone (fx is 0.5 / tan(half the angle)), for a picture of `size`."""
    h, w = size
    return Lens(lens.fx * w, lens.fy * w, w / 2, h / 2, size, lens.distortion)
