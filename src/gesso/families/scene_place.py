"""Where a scene lies, by its photographs: the middle, what is up, the box, and the cells that their silhouettes allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.datasets.cameras import Lens, View, with_opacity
from gesso.errors import GessoError
from gesso.families.scene import Scene

REACH = 0.55  # half a side of the box in mean camera distances, where neither silhouettes nor points say more
NEAR_AXIS = 0.85  # cosine within which "up" is taken to be an axis of the file
FARTHEST = 1e5  # sides of the box from the origin, beyond which float32 cannot tell its points apart
OPAQUE = 8  # alpha, of 255, from which a pixel counts as covered
MARGIN = 0.02  # of the box's size, on each side


@dataclass(frozen=True)
class Place:
    """`middle` [3], `turn` [3 3] (columns: the scene's axes, z up), `distance`, the box's corners `low` and `high`, and `hull`
    (bool [side side side] or None), the cells that no photograph shows to be empty."""

    middle: np.ndarray
    turn: np.ndarray
    distance: float
    low: np.ndarray
    high: np.ndarray
    hull: Tensor | None = None

    def apply(self, scene: Scene) -> None:
        scene.volume.set_box(torch.from_numpy(self.low), torch.from_numpy(self.high))
        scene.middle.copy_(torch.from_numpy(self.middle))
        scene.turn.copy_(torch.from_numpy(self.turn))
        scene.distance.fill_(self.distance)


def place_of(views: Sequence[View], pixels: Sequence[np.ndarray], points: np.ndarray, side: int, hull: bool = True) -> Place:
    """The place of a scene. With transparent photographs, the box is what their silhouettes leave of space; else what holds 98 % of
    the reconstruction's `points`; else a cube around the point that the cameras look at."""
    matrices = np.stack([view.matrix for view in views])
    middle, turn = looked_at(matrices), upright(matrices)
    distance = float(np.linalg.norm(matrices[:, :3, 3] - middle, axis=1).mean()) or 1.0
    reach = REACH * distance
    low, high = middle - reach, middle + reach
    if len(points) >= 20:
        low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
        margin = max(0.1 * (high - low).max(), 1e-3 * distance)
        low, high = low - margin, high + margin
    if max(np.abs(low).max(), np.abs(high).max()) > FARTHEST * (high - low).min():
        raise GessoError(
            "the cameras and points are too far from the origin for the size of the scene, or too far apart",
            where="--data", fix="move the scene to the origin, and remove wrong points",
        )  # fmt: skip
    if not all(picture.ndim == 3 and picture.shape[-1] == 4 for picture in pixels):
        return Place(middle, turn, distance, low, high)
    carved = carve(views, pixels, low, high, side)
    if not carved.any():  # the silhouettes contradict each other: the cameras are not exact
        return Place(middle, turn, distance, low, high)
    cells = torch.nonzero(carved).numpy()
    cell = (high - low) / side
    low, high = low + cell * cells.min(0), low + cell * (cells.max(0) + 1)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    return Place(middle, turn, distance, low, high, carve(views, pixels, low, high, side) if hull else None)


def looked_at(matrices: np.ndarray) -> np.ndarray:
    """The point that is nearest to all cameras' optical axes; ahead of the cameras where the axes are almost parallel."""
    back, place = matrices[:, :3, 2], matrices[:, :3, 3]
    across = np.eye(3) - back[:, :, None] * back[:, None, :]
    system = across.sum(0)
    if np.linalg.cond(system) > 1e4:
        spread = float(np.linalg.norm(place - place.mean(0), axis=1).mean()) or 1.0
        return place.mean(0) - back.mean(0) * 2 * spread
    return np.linalg.solve(system, (across @ place[:, :, None]).sum(0)[:, 0])


def upright(matrices: np.ndarray) -> np.ndarray:
    """The axes of the scene as columns: z is the cameras' mean up, or the file's own axis next to it."""
    up = matrices[:, :3, 1].mean(0)
    length = np.linalg.norm(up)
    up = up / length if length > 1e-3 else np.array([0.0, 0.0, 1.0])
    nearest = int(np.abs(up).argmax())
    if abs(up[nearest]) > NEAR_AXIS:
        up = np.eye(3)[nearest] * np.sign(up[nearest])
    first = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = first - up * (first @ up)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up], 1)


def carve(views: Sequence[View], pixels: Sequence[np.ndarray], low: np.ndarray, high: np.ndarray, side: int) -> Tensor:
    """The cells, bool [side side side], whose picture touches the silhouette in each view that shows them; a third of the views do."""
    cell = (high - low) / side
    axes = [torch.from_numpy(low[i] + cell[i] * (np.arange(side) + 0.5)).float() for i in range(3)]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).view(-1, 3)
    radius = float(np.linalg.norm(cell)) / 2
    kept, num_shown = torch.ones(len(centres), dtype=torch.bool), torch.zeros(len(centres), dtype=torch.int32)
    for view, picture in zip(views, pixels, strict=True):
        covered = torch.from_numpy(with_opacity(picture)[..., 3] >= OPAQUE).float()
        alive = kept.nonzero()[:, 0]
        x, y, depth = project(centres[alive], view.matrix, view.lens)
        h, w = view.lens.size
        inside = (depth > radius) & (x >= 0) & (x < w) & (y >= 0) & (y < h)
        grow = (radius * max(view.lens.fx, view.lens.fy) / depth.clamp_min(radius)).ceil() + 1  # a cell's radius in pixels
        empty = torch.zeros_like(inside)
        for reach in (2, 4, 8, 16, 32, 64):  # nearer cells, which cover more of the picture, are left alone
            some = (inside & (grow <= reach) & (grow > reach // 2)).nonzero()[:, 0]
            tall = F.max_pool2d(covered[None, None], (2 * reach + 1, 1), 1, (reach, 0))
            near = F.max_pool2d(tall, (1, 2 * reach + 1), 1, (0, reach))[0, 0]
            empty[some] = near[y[some].long(), x[some].long()] == 0
        kept[alive[empty]] = False
        num_shown[alive[inside]] += 1
    return (kept & (3 * num_shown >= len(views))).view(side, side, side)


def project(points: Tensor, matrix: np.ndarray, lens: Lens) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel positions x and y of points [n 3], without the lens's distortion, and their depths (negative behind the camera)."""
    turn, place = torch.from_numpy(matrix[:3, :3]).float(), torch.from_numpy(matrix[:3, 3]).float()
    seen = (points - place) @ turn
    depth = -seen[:, 2]
    safe = torch.where(depth.abs() < 1e-6, torch.full_like(depth, 1e-6), depth)
    return lens.cx + lens.fx * seen[:, 0] / safe, lens.cy - lens.fy * seen[:, 1] / safe, depth
