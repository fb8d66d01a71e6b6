"""Augmentation of what a critic sees, real and generated alike, by differentiable transforms that do not leak into the generator.

Zhao 2020 ("DiffAugment") applies it always, Karras 2020 ("ADA") each transform with a probability that follows how far the critic
overfits: the mean sign of its logits of real pictures, r_t, is held at `target`. Deviations: mirrored borders and bilinear sampling
in place of a wavelet filter; no noise or filtering of frequency bands (the paper's "bgc", its best set for small data).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

GEOMETRY = ("flip", "turn", "shift", "scale", "rotate", "stretch")
COLOUR = ("brightness", "contrast", "luma_flip", "hue", "saturation")
NUM_DRAWS = 30  # uniform numbers an item; each transform has its own


@dataclass(frozen=True)
class Augment:
    """The transforms in use (names of GEOMETRY, COLOUR and "cutout"), and the probability of each: `strength` at the start.

    speed: the number of pictures in which the probability can go from 0 to 1; 0 keeps it. It is adapted every `every` steps.
    """

    transforms: tuple[str, ...] = ("flip", "turn", "shift", "scale", "rotate", "stretch", *COLOUR)
    strength: float = 0.0
    target: float = 0.6
    speed: int = 100_000
    every: int = 4

    def adapt(self, strength: Tensor, sign: Tensor, batch_size: int, step: int) -> None:
        """Move `strength` towards where r_t, the mean `sign`, is at the target (Karras 2020, section 3.1)."""
        if self.speed and step % self.every == 0:
            change = torch.sign(sign.mean() - self.target) * batch_size * self.every / self.speed
            strength.add_(change).clamp_(0.0, 1.0)

    def __call__(self, pictures: Tensor, strength: Tensor, uniform: Callable[..., Tensor], num_colour: int) -> Tensor:
        """Transformed pictures [b c h w]. The first `num_colour` channels change colour; all move together.

        uniform(n) draws [b n] numbers in [0, 1).
        """
        p = float(strength)
        draws = uniform(NUM_DRAWS).to(pictures.device)
        if p <= 0:
            return pictures
        moved = self._moved(pictures, p, draws)
        coloured = self._coloured(moved[:, :num_colour], p, draws)
        out = torch.cat([coloured, moved[:, num_colour:]], 1) if num_colour < moved.shape[1] else coloured
        return _cut(out, p, draws[:, 27:30]) if "cutout" in self.transforms else out

    def _moved(self, pictures: Tensor, p: float, draws: Tensor) -> Tensor:
        if not set(self.transforms) & set(GEOMETRY):
            return pictures
        theta = _placement(draws, {name: p if name in self.transforms else 0.0 for name in GEOMETRY})
        grid = F.affine_grid(theta, list(pictures.shape), align_corners=False)
        moved = F.grid_sample(pictures.float(), grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return moved.to(pictures.dtype)

    def _coloured(self, pictures: Tensor, p: float, draws: Tensor) -> Tensor:
        if not set(self.transforms) & set(COLOUR):
            return pictures
        matrix, shift = _colour_change(draws, {name: p if name in self.transforms else 0.0 for name in COLOUR}, pictures.shape[1])
        return (torch.einsum("bij,bjhw->bihw", matrix, pictures.float()) + shift[:, :, None, None]).to(pictures.dtype)


def _normal(draw: Tensor) -> Tensor:
    """Standard normal numbers from uniform ones."""
    return math.sqrt(2) * torch.erfinv((2 * draw - 1).clamp(-0.999999, 0.999999))


def _placement(draws: Tensor, p: dict[str, float]) -> Tensor:
    """The affine maps from output to input positions in [-1, 1], [b 2 3]."""

    def chosen(at: int, name: str) -> Tensor:
        return draws[:, at] < p[name]

    one = torch.ones_like(draws[:, 0])
    flip = torch.where(chosen(0, "flip") & (draws[:, 1] < 0.5), -one, one)
    quarter = torch.where(chosen(2, "turn"), torch.floor(draws[:, 3] * 4) * (math.pi / 2), 0 * one)
    shift = torch.where(chosen(4, "shift")[:, None], (draws[:, 5:7] - 0.5) * 0.5, 0 * draws[:, 5:7])  # an eighth of the size each way
    scale = torch.where(chosen(7, "scale"), torch.exp2(0.2 * _normal(draws[:, 8])), one)
    angle = torch.where(chosen(9, "rotate"), (2 * draws[:, 10] - 1) * math.pi, 0 * one)
    stretch = torch.where(chosen(11, "stretch"), torch.exp2(0.2 * _normal(draws[:, 12])), one)
    turned = _rotation(quarter + angle) @ torch.diag_embed(torch.stack([flip * scale * stretch, scale / stretch], 1))
    return torch.cat([turned, shift[:, :, None]], 2)


def _rotation(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)


def _colour_change(draws: Tensor, p: dict[str, float], num: int) -> tuple[Tensor, Tensor]:
    """A linear change of colours in [-1, 1]: matrices [b num num] and shifts [b num]."""
    b, one = len(draws), torch.ones_like(draws[:, 0])
    bright = torch.where(draws[:, 13] < p["brightness"], 0.4 * _normal(draws[:, 14]), 0 * one)
    contrast = torch.where(draws[:, 15] < p["contrast"], torch.exp2(0.5 * _normal(draws[:, 16])), one)
    matrix = torch.eye(num, device=draws.device).expand(b, num, num) * contrast[:, None, None]
    if num == 3:
        grey = torch.full((3, 3), 1 / 3, device=draws.device)  # the projection on the axis of greys
        flipped = torch.where((draws[:, 17] < p["luma_flip"]) & (draws[:, 18] < 0.5), one, 0 * one)
        theta = torch.where(draws[:, 19] < p["hue"], (2 * draws[:, 20] - 1) * math.pi, 0 * one)
        saturation = torch.where(draws[:, 21] < p["saturation"], torch.exp2(_normal(draws[:, 22])), one)
        around = _about_grey(theta, grey)
        vivid = grey + (torch.eye(3, device=draws.device) - grey) * saturation[:, None, None]
        matrix = vivid @ around @ (torch.eye(3, device=draws.device) - 2 * grey * flipped[:, None, None]) @ matrix
    return matrix, bright[:, None].expand(b, num)


def _about_grey(theta: Tensor, grey: Tensor) -> Tensor:
    """Rotations about the axis of greys by Rodrigues' formula, [b 3 3]."""
    s = 1 / math.sqrt(3)
    cross = torch.tensor([[0.0, -s, s], [s, 0.0, -s], [-s, s, 0.0]], device=theta.device)
    cos, sin = theta.cos()[:, None, None], theta.sin()[:, None, None]
    return cos * torch.eye(3, device=theta.device) + sin * cross + (1 - cos) * grey


def _cut(pictures: Tensor, p: float, draws: Tensor) -> Tensor:
    """A square of half the size set to zero at a random place, where draws[:, 0] < p."""
    h, w = pictures.shape[-2:]
    y, x = torch.arange(h, device=pictures.device)[None, :, None], torch.arange(w, device=pictures.device)[None, None, :]
    top, left = (draws[:, 1] * h)[:, None, None], (draws[:, 2] * w)[:, None, None]
    inside = ((y - top).abs() < h / 4) & ((x - left).abs() < w / 4) & (draws[:, 0] < p)[:, None, None]
    return pictures * (~inside)[:, None].to(pictures.dtype)
