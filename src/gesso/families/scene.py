"""A scene: radiance fields in a box, and where its photographs were taken from. It renders rays and learns from them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gesso.families.scene_draft import DraftGrid
from gesso.families.volume import CHUNK, Field, Rays, RaySamples, Seen, Volume, composite, render, see, visible

FORM_NONE, FORM_MATRIX, FORM_ORBIT, FORM_SCALED = range(4)  # as the condition `camera` encodes them
WARM_UP = 48  # steps before samples behind opaque ones are left out
SURE = 256  # steps during which every cell of the grid is looked at


class Scene(nn.Module):
    """What all scenes hold: the box (`volume`), the `middle` that an orbit turns around with the axes `turn` (columns, z up), the mean
    `distance` and the horizontal angle `fov` (degrees) of the photographs, and the `background` colour in [0, 1].

    `trace` renders rays for learning: one Seen for each result that a photograph corrects. `render_rays` renders without gradients,
    `chunk` rays at a time. A draft has a longest side of at most `draft_side` pixels.
    """

    num_bands: int
    chunk: ClassVar[int] = CHUNK
    draft_side: ClassVar[int] = 100

    def __init__(self, volume: Volume) -> None:
        super().__init__()
        self.volume = volume
        self.middle, self.turn = nn.Buffer(torch.zeros(3)), nn.Buffer(torch.eye(3))
        self.distance, self.fov = nn.Buffer(torch.tensor(4.0)), nn.Buffer(torch.tensor(40.0))
        self.background = nn.Buffer(torch.ones(3))
        self.surface: tuple[tuple[int, ...], tuple[Tensor, Tensor]] | None = None  # points on it, by the version of the parameters

    def trace(self, rays: Rays, rng: torch.Generator, step: int = 0, bands: Tensor | None = None) -> list[Seen]:
        raise NotImplementedError

    def seen(self, rays: Rays) -> Seen:
        """Render some rays at once, without jitter."""
        raise NotImplementedError

    def refresh(self, step: int, rng: torch.Generator, bands: Tensor | None = None) -> None:
        """Called before each step of learning."""

    @torch.no_grad()
    def render_parts(self, rays: Rays) -> Iterator[Seen]:
        """Render rays, `chunk` at a time; bit-equal for equal weights and rays on one machine with a fixed number of threads."""
        for first in range(0, len(rays), self.chunk):
            yield self.seen(rays[first : first + self.chunk])

    def render_rays(self, rays: Rays) -> Seen:
        return Seen.joined(list(self.render_parts(rays)))

    def draft(self, rays: Rays) -> Seen:
        """About what `render_rays` gives, for a camera that moves."""
        return self.render_rays(rays)

    def version(self) -> tuple[int, ...]:
        """Another one after each change of the scene's numbers in place."""
        return tuple(value._version for value in self.parameters())

    def camera(self, matrix: Tensor, form: int) -> Tensor:
        """The camera-to-world matrix [4 4] of a camera in one of the forms; without one, from the side and 25° above."""
        if form == FORM_MATRIX:
            return matrix
        if form == FORM_NONE:
            matrix = orbit_matrix(math.radians(30), math.radians(25)).to(self.turn.device)
        placed = matrix.clone()
        placed[:3, :3] = self.turn @ matrix[:3, :3]
        scale = self.distance if form in (FORM_SCALED, FORM_NONE) else 1.0
        placed[:3, 3] = self.middle + self.turn @ matrix[:3, 3] * scale
        return placed

    def camera_rays(self, camera: Tensor, size: tuple[int, int], fov: float = 0.0) -> Rays:
        """The rays of the pixels' centres of a picture of (height, width), row by row; `fov` degrees across, or the photographs'."""
        h, w = size
        focal = 0.5 * w / math.tan(math.radians(fov or float(self.fov)) / 2)
        y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        direction = torch.stack([(x - w / 2) / focal, (h / 2 - y) / focal, -torch.ones_like(x)], -1).view(-1, 3)
        direction = direction.to(camera) @ camera[:3, :3].T
        return Rays(camera[:3, 3].expand(h * w, 3), direction / direction.norm(dim=1, keepdim=True))


class HashScene(Scene):
    """A scene by InstantNGP's field, sampled where its grid is occupied."""

    def __init__(self, field: Field, volume: Volume) -> None:
        super().__init__(volume)
        self.field: Any = field
        self.num_bands = field.num_bands
        self._drafted: tuple[int, ...] | None = None  # the version that a draft was made of
        self._grid: DraftGrid | None = None

    def trace(self, rays: Rays, rng: torch.Generator, step: int = 0, bands: Tensor | None = None) -> list[Seen]:
        jitter = torch.rand(len(rays), generator=rng).to(rays.origin.device)
        samples = self.volume.march(rays, jitter)
        if step >= WARM_UP:
            samples = visible(self.field, self.volume, rays, samples, bands)
        return [see(self.field, self.volume, rays, samples, bands)]

    def seen(self, rays: Rays) -> Seen:
        return render(self.field, self.volume, rays, self.volume.march(rays))

    def draft(self, rays: Rays) -> Seen:
        """The first draft is rendered as usual; the second makes a grid, which later ones use."""
        now = self.version()
        if self._drafted != now:
            self._drafted, self._grid = now, None
            return self.render_rays(rays)
        self._grid = self._grid or DraftGrid(self.field, self.volume)
        return self._grid.along(rays)

    def refresh(self, step: int, rng: torch.Generator, bands: Tensor | None = None) -> None:
        if step and step % 16 == 0:
            self.volume.refresh(self.field, rng, 1.0 if step < SURE else 0.25, bands=bands)


class PaperScene(Scene):
    """The paper's scene: a coarse and a fine NeRF; the fine one is sampled where the coarse one found something (section 5.2).

    `num_coarse` stratified samples of each ray, then `num_fine` more by inverse transform sampling.
    """

    chunk: ClassVar[int] = 2**10
    draft_side: ClassVar[int] = 24

    def __init__(self, coarse: Field, fine: Field, volume: Volume, num_coarse: int = 64, num_fine: int = 128) -> None:
        super().__init__(volume)
        self.coarse: Any = coarse
        self.fine: Any = fine
        self.num_coarse, self.num_fine = num_coarse, num_fine
        self.num_bands = fine.num_bands

    def trace(self, rays: Rays, rng: torch.Generator, step: int = 0, bands: Tensor | None = None) -> list[Seen]:
        jitter = torch.rand(len(rays), self.num_coarse, generator=rng).to(rays.origin.device)
        draws = torch.rand(len(rays), self.num_fine, generator=rng).to(rays.origin.device)
        return self._both(rays, jitter, draws, bands)

    def seen(self, rays: Rays) -> Seen:
        jitter = torch.full((len(rays), self.num_coarse), 0.5, device=rays.origin.device)
        draws = ((torch.arange(self.num_fine, device=rays.origin.device) + 0.5) / self.num_fine).expand(len(rays), -1)
        return self._both(rays, jitter, draws, None)[1]

    def _both(self, rays: Rays, jitter: Tensor, draws: Tensor, bands: Tensor | None) -> list[Seen]:
        near, far = self.volume.crossing(rays)
        span = (far - near)[:, None]
        edges = torch.arange(self.num_coarse, device=near.device)
        t = near[:, None] + span * (edges + jitter) / self.num_coarse
        seen, weight = self._along(self.coarse, rays, t, far, bands)
        more = near[:, None] + span * inverse_sample(weight.detach(), draws)
        t, _ = torch.cat([t, more], 1).sort(1)
        return [seen, self._along(self.fine, rays, t, far, bands)[0]]

    def _along(self, field: Field, rays: Rays, t: Tensor, far: Tensor, bands: Tensor | None) -> tuple[Seen, Tensor]:
        """What rays see by samples at the distances `t` [n k], and the weights [n k] of the samples. Rays that miss the box see nothing."""
        num, most = t.shape
        width = torch.diff(t, dim=1, append=far[:, None]).clamp_min(0)
        ray = torch.arange(num, device=t.device).repeat_interleave(most)
        samples = RaySamples(ray, torch.arange(most, device=t.device).repeat(num), t.reshape(-1))
        direction = rays.direction[ray]
        x = self.volume.to_unit(rays.origin[ray] + samples.t[:, None] * direction)
        density, features = field.density(x, bands)
        thick = density * width.view(-1)
        optical = thick.detach().view(num, most)
        weight = torch.exp(-(optical.cumsum(1) - optical)) * -torch.expm1(-optical)
        return composite(samples, thick, field.colour(features, direction), num), weight


def inverse_sample(weight: Tensor, draws: Tensor) -> Tensor:
    """Places [n k] in [0, 1] drawn from piecewise constant densities `weight` [n bins], by `draws` [n k] in [0, 1)."""
    num = weight.shape[1]
    share = weight + 1e-5
    share = share / share.sum(1, keepdim=True)
    ends = share.cumsum(1)
    bin_ = torch.searchsorted(ends, draws.contiguous()).clamp_max(num - 1)
    high, part = ends.gather(1, bin_), share.gather(1, bin_)
    return (bin_ + ((draws - (high - part)) / part).clamp(0, 1)) / num


def orbit_matrix(azimuth: float, elevation: float) -> Tensor:
    """The camera-to-world matrix [4 4] of a camera one away from the origin that looks at it, z up; angles in radians."""
    a, e = azimuth, elevation
    back = torch.tensor([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
    right = torch.tensor([-math.sin(a), math.cos(a), 0.0])
    matrix = torch.eye(4)
    matrix[:3, :4] = torch.stack([right, torch.linalg.cross(back, right), back, back], 1)
    return matrix
