"""Made-up views of a small scene, three shaded balls over nothing, so that a scene can be fitted without any files."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from gesso.datasets.cameras import Lens, View, Views

BALLS = (  # middle, radius, colour
    ((0.0, 0.0, 0.0), 0.6, (0.85, 0.25, 0.2)),
    ((0.7, 0.3, 0.3), 0.35, (0.2, 0.6, 0.3)),
    ((-0.4, -0.6, 0.4), 0.3, (0.2, 0.35, 0.8)),
)
LIGHT = np.array([0.4, -0.3, 0.866])
DISTANCE, FOV = 3.5, 40.0


def balls(num: int = 24, side: int = 32, first: int = 0) -> Views:
    """Views, uint8 [side side 4], from a spiral over the upper half of a sphere; `first` moves on along the spiral."""
    focal = side / 2 / math.tan(math.radians(FOV) / 2)
    lens = Lens(focal, focal, side / 2, side / 2, (side, side))
    views, pixels = [], []
    for number in range(num):
        matrix = _camera((first + number) * math.pi * (3 - math.sqrt(5)), math.asin((number + 0.5) / num * 0.9))
        rays = lens.directions() @ matrix[:3, :3].T
        views.append(View(f"ball_{number}", Path(f"ball_{number}.png"), lens, matrix))
        pixels.append(_seen(matrix[:3, 3], rays))
    return Views(views, pixels, "made-up balls")


def _camera(azimuth: float, elevation: float) -> np.ndarray:
    back = np.array([math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)])
    right = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    matrix = np.eye(4)
    matrix[:3] = np.stack([right, np.cross(back, right), back, DISTANCE * back], 1)
    return matrix


def _seen(place: np.ndarray, rays: np.ndarray) -> np.ndarray:
    nearest = np.full(rays.shape[:2], np.inf)
    picture = np.zeros((*rays.shape[:2], 4))
    for middle, radius, colour in BALLS:
        to = place - np.array(middle)
        along = rays @ to
        under = along**2 - (to @ to - radius**2)
        t = -along - np.sqrt(np.maximum(under, 0))
        hit = (under > 0) & (t < nearest)
        normal = (to + t[..., None] * rays) / radius
        light = 0.5 + 0.5 * np.clip(normal @ LIGHT, 0, 1)
        nearest = np.where(hit, t, nearest)
        picture[hit] = np.append(np.array(colour), 1.0)
        picture[..., :3][hit] *= light[hit][:, None]
    return (255 * picture).round().astype(np.uint8)
