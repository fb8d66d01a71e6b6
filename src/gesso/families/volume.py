"""Volume rendering of a radiance field: rays through a box, a grid of occupied cells, samples along rays, and their compositing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLEAR = 1e-3  # a ray ends where less light than this passes
FAINT = 1e-4  # a sample that adds less than this is not coloured
CHUNK = 2**13  # rays rendered at once
ROUND = 6  # samples of a ray that are evaluated before asking whether it ended
BLOCK = 8  # steps of a ray that are skipped at once where nothing is near


@dataclass(frozen=True)
class Rays:
    """`origin` and unit `direction` [n 3], in the world's units."""

    origin: Tensor
    direction: Tensor

    def __len__(self) -> int:
        return len(self.origin)

    def __getitem__(self, rows: Tensor | slice) -> Rays:
        return Rays(self.origin[rows], self.direction[rows])

    @classmethod
    def of_all(cls, parts: Sequence[Rays]) -> Rays:
        return cls(torch.cat([part.origin for part in parts]), torch.cat([part.direction for part in parts]))


@dataclass(frozen=True)
class Seen:
    """What rays see: `colour` [n 3] in [0, 1] without any background, `opacity` [n] in [0, 1], and `depth` [n], the mean distance of
    what is seen along the ray (0 where the opacity is 0), from `num_samples` samples."""

    colour: Tensor
    opacity: Tensor
    depth: Tensor
    num_samples: int = 0

    def over(self, background: Tensor) -> Tensor:
        """The colours over a background [3] or [n 3]."""
        return self.colour + (1 - self.opacity[:, None]) * background

    def __getitem__(self, rows: slice) -> Seen:
        return Seen(self.colour[rows], self.opacity[rows], self.depth[rows])

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Seen:
        colour, opacity, depth = (torch.cat([getattr(part, name) for part in parts]) for name in ("colour", "opacity", "depth"))
        return cls(colour, opacity, depth, sum(part.num_samples for part in parts))


@dataclass(frozen=True)
class RaySamples:
    """Samples along rays, ray by ray and from near to far: `ray` [m] int64, `rank` [m] among the ray's samples, the distance `t` [m]."""

    ray: Tensor
    rank: Tensor
    t: Tensor

    @classmethod
    def of(cls, ray: Tensor, t: Tensor, num_rays: int) -> RaySamples:
        """Samples in that order, of `num_rays` rays."""
        num = torch.bincount(ray, minlength=num_rays)
        return cls(ray, torch.arange(len(ray), device=ray.device) - (num.cumsum(0) - num)[ray], t)


@runtime_checkable
class Field(Protocol):
    """A radiance field: density [n] and features of points [n 3] in [0, 1], and colours [n 3] of features seen along directions."""

    num_bands: int  # frequencies, from coarse to fine

    def density(self, x: Tensor, bands: Tensor | None = None) -> tuple[Tensor, Tensor]: ...

    def colour(self, features: Tensor, direction: Tensor) -> Tensor: ...


class Volume(nn.Module):
    """A box in the world with a grid of cells [side side side], each with the density it holds at most.

    `low` and `high` are the box's corners. A cell is occupied if a step of `step` (in the world's units) through its density would
    stop 1 % of the light, or if it is not yet known. Rays are sampled every `step` inside occupied cells only.
    """

    def __init__(self, side: int = 64, num_steps: int = 256) -> None:
        super().__init__()
        self.low, self.high = nn.Buffer(torch.full((3,), -1.0)), nn.Buffer(torch.ones(3))
        self.cells = nn.Buffer(torch.full((side, side, side), 100.0))
        self.side, self.num_steps = side, num_steps
        self.open: Tensor | None = None  # the numbers of the cells that may be occupied; None: all

    def set_box(self, low: Tensor, high: Tensor) -> None:
        """Move the box."""
        self.low.copy_(low)
        self.high.copy_(high)

    @property
    def step(self) -> float:
        """The distance between samples: the box's diagonal over `num_steps`."""
        return float((self.high - self.low).norm()) / self.num_steps

    @property
    def occupied(self) -> Tensor:
        return self.cells * self.step > 0.01

    def to_unit(self, points: Tensor) -> Tensor:
        """Points of the world in the box's coordinates, [0, 1]."""
        return (points - self.low) / (self.high - self.low)

    def crossing(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """The distances [n] at which rays enter and leave the box; they are equal for a ray that misses it."""
        direction = torch.where(rays.direction.abs() < 1e-9, torch.full_like(rays.direction, 1e-9), rays.direction)
        one, other = (self.low - rays.origin) / direction, (self.high - rays.origin) / direction
        near = torch.minimum(one, other).amax(1).clamp_min(0)
        return near, torch.maximum(torch.maximum(one, other).amin(1), near)

    def march(self, rays: Rays, jitter: Tensor | None = None) -> RaySamples:
        """RaySamples at (k + jitter) steps from the box's side, `jitter` [n] in [0, 1), in occupied cells."""
        # Blocks of steps first, against a grid in which the occupied cells are grown by half a block: most rays meet little.
        near, far = self.crossing(rays)
        step, (occupied, grown), steps = self.step, self.masks(), torch.arange(BLOCK, device=near.device)
        offset = near + step * (jitter if jitter is not None else 0.5)
        most = int(((far - near) / step).max().ceil()) if len(rays) else 0
        first = BLOCK * torch.arange(-(-most // BLOCK) or 1, device=near.device)
        middle = offset[:, None] + step * (first + (BLOCK - 1) / 2)
        found = grown[self.cell_of(self._at(rays, middle))]
        ray, block = (found & (offset[:, None] + step * first < far[:, None])).nonzero(as_tuple=True)
        t = offset[ray, None] + step * (first[block, None] + steps)
        live = (t < far[ray, None]) & occupied[self.cell_of(self._at(rays[ray], t))]
        row, column = live.nonzero(as_tuple=True)
        return RaySamples.of(ray[row], t[row, column], len(rays))

    def _at(self, rays: Rays, t: Tensor) -> Tensor:
        """The points at distances `t` [n k] of rays, in the box's coordinates."""
        return self.to_unit(rays.origin[:, None] + t[..., None] * rays.direction[:, None])

    def masks(self) -> tuple[Tensor, Tensor]:
        """The cells [side³] that are occupied, and those within half a block of one of them along each axis."""
        occupied = self.occupied
        cells = (self.step * (BLOCK - 1) / 2 * self.side / (self.high - self.low)).tolist()
        grown = occupied.float()[None, None]
        for axis, num in enumerate(cells):
            radius = math.ceil(num + 1e-3)
            kernel, pad = [1, 1, 1], [0, 0, 0]
            kernel[axis], pad[axis] = 2 * radius + 1, radius
            grown = F.max_pool3d(grown, kernel, 1, pad)
        return occupied.view(-1), grown.view(-1) > 0

    def cell_of(self, x: Tensor) -> Tensor:
        """The number of the cell that holds a point of the box's coordinates."""
        i = (x * self.side).long().clamp_(0, self.side - 1)
        return (i[..., 0] * self.side + i[..., 1]) * self.side + i[..., 2]

    def close(self, hull: Tensor) -> None:
        """Empty the cells outside `hull`, bool [side side side], for good."""
        self.cells.mul_(hull)
        self.open = hull.view(-1).nonzero()[:, 0]

    @torch.no_grad()
    def refresh(self, field: Field, rng: torch.Generator, share: float = 1.0, decay: float = 0.95, bands: Tensor | None = None) -> None:
        """Look at one random point of each cell (or of a `share` of the cells): a cell's density decays unless the point's is larger."""
        cells = torch.arange(self.side**3) if self.open is None else self.open
        chosen = cells if share >= 1 else cells[torch.randperm(len(cells), generator=rng)[: int(len(cells) * share)]]
        for some in chosen.split(2**16):
            corner = torch.stack([some // self.side**2, some // self.side % self.side, some % self.side], 1)
            x = (corner + torch.rand(len(some), 3, generator=rng)) / self.side
            density, _ = field.density(x.to(self.cells.device), bands)
            flat = self.cells.view(-1)
            flat[some] = torch.maximum(flat[some] * decay, density)


def composite(samples: RaySamples, thickness: Tensor, colour: Tensor, num_rays: int) -> Seen:
    """The volume-rendering sum (Mildenhall 2020, equation 3) over each ray's samples; `thickness` [m] is density times distance."""
    most = int(samples.rank.max()) + 1 if len(samples.rank) else 1
    place = samples.ray * most + samples.rank
    dense = thickness.new_zeros(num_rays * most).index_copy(0, place, thickness).view(num_rays, most)
    passed = torch.exp(-(dense.cumsum(1) - dense))
    weight = (passed * -torch.expm1(-dense)).view(-1)[place]
    values = torch.cat([colour, torch.ones_like(weight)[:, None], samples.t[:, None]], 1) * weight[:, None]
    sums = values.new_zeros(num_rays * most, 5).index_copy(0, place, values).view(num_rays, most, 5).sum(1)
    opacity = sums[:, 3]
    return Seen(sums[:, :3], opacity, sums[:, 4] / opacity.clamp_min(1e-6), len(place))


def see(field: Field, volume: Volume, rays: Rays, samples: RaySamples, bands: Tensor | None = None) -> Seen:
    """Evaluate the field at all samples and composite them; gradients flow to the field."""
    direction = rays.direction[samples.ray]
    x = volume.to_unit(rays.origin[samples.ray] + samples.t[:, None] * direction)
    density, features = field.density(x, bands)
    return composite(samples, density * volume.step, field.colour(features, direction), len(rays))


@torch.no_grad()
def visible(field: Field, volume: Volume, rays: Rays, samples: RaySamples, bands: Tensor | None = None) -> RaySamples:
    """The samples that light reaches: densities are evaluated a few samples at a time, and a ray stops where it is opaque."""
    passed = torch.ones(len(rays), device=rays.origin.device)
    keep = []
    for _, chosen in rounds(samples):
        chosen = chosen[passed[samples.ray[chosen]] > CLEAR]
        if not len(chosen):
            break
        keep.append(chosen)
        ray, t = samples.ray[chosen], samples.t[chosen]
        x = volume.to_unit(rays.origin[ray] + t[:, None] * rays.direction[ray])
        density, _ = field.density(x, bands)
        passed *= torch.exp(-torch.zeros_like(passed).index_add_(0, ray, density * volume.step))
    kept = torch.cat(keep).sort().values if keep else samples.ray[:0]
    return RaySamples(samples.ray[kept], samples.rank[kept], samples.t[kept])


def rounds(samples: RaySamples) -> Iterator[tuple[int, Tensor]]:
    """The samples by rounds of ROUND per ray, from near to far."""
    if not len(samples.rank):
        return
    number = samples.rank // ROUND
    for one in range(int(number.max()) + 1):
        yield one, (number == one).nonzero()[:, 0]


@torch.no_grad()
def render(field: Field, volume: Volume, rays: Rays, samples: RaySamples) -> Seen:
    """What `see` gives of the `visible` samples, without gradients: each density is evaluated once, and colours only where they count."""
    num, step, device = len(rays), volume.step, rays.origin.device
    count = torch.bincount(samples.ray, minlength=num)
    first, columns = count.cumsum(0) - count, torch.arange(ROUND, device=device)
    passed, sums, evaluated = torch.ones(num, device=device), torch.zeros(num, 5, device=device), 0
    alive = (count > 0).nonzero()[:, 0]
    for begin in range(0, int(count.max()) if num else 0, ROUND):
        alive = alive[(count[alive] > begin) & (passed[alive] > CLEAR)]
        if not len(alive):
            break
        row, column = (begin + columns < count[alive, None]).nonzero(as_tuple=True)
        ray = alive[row]
        t = samples.t[first[ray] + begin + column]
        x = volume.to_unit(rays.origin[ray] + t[:, None] * rays.direction[ray])
        density, features = field.density(x)
        thick, distance = (t.new_zeros(len(alive), ROUND) for _ in range(2))
        thick[row, column], distance[row, column] = density * step, t
        weight = passed[alive, None] * torch.exp(-(thick.cumsum(1) - thick)) * -torch.expm1(-thick)
        part = weight[row, column]
        bright = (part > FAINT).nonzero()[:, 0]
        colour = t.new_zeros(len(alive), ROUND, 3)
        shown = field.colour(features[bright], rays.direction[ray[bright]])
        colour[row[bright], column[bright]] = part[bright, None] * shown
        sums[alive] += torch.cat([colour.sum(1), weight.sum(1, keepdim=True), (weight * distance).sum(1, keepdim=True)], 1)
        passed[alive] *= torch.exp(-thick.sum(1))
        evaluated += len(row)
    opacity = sums[:, 3]
    return Seen(sums[:, :3], opacity, sums[:, 4] / opacity.clamp_min(1e-6), evaluated)
