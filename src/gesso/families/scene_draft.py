"""Drafts of a scene: its field read once at small cells, so that a camera is followed without running the density network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from gesso.families.volume import Field, Rays, Seen, Volume

FINER = 2  # small cells along one of the volume's
DENSE = 0.02  # light that a step through a cell must stop for the cell to be kept
SEEN = 1e-3  # light that a sample must send to be counted


class DraftGrid:
    """Densities and features of a field at the middles of small cells, where they stop light.

    Rays sum the features of the cells that they pass, and the colour network runs once for each ray (as Hedman 2021 does with networks
    trained for it): a draft, not what the scene looks like to the last bit.
    """

    @torch.no_grad()
    def __init__(self, field: Field, volume: Volume) -> None:
        self.field, side = field, FINER * volume.side
        self.volume = FrozenVolume(side, volume.num_steps).to(volume.cells.device)
        self.volume.set_box(volume.low, volume.high)
        occupied = volume.occupied
        for axis in range(3):
            occupied = occupied.repeat_interleave(FINER, axis)
        cells = occupied.view(-1).nonzero()[:, 0]
        kept, densities, features = [], [], []
        for some in cells.split(2**15):
            middle = (torch.stack([some // side**2, some // side % side, some % side], 1) + 0.5) / side
            density, found = field.density(middle)
            dense = density * volume.step > DENSE
            kept.append(some[dense])
            densities.append(density[dense])
            features.append(found[dense])
        cells = torch.cat(kept) if kept else cells
        self.density = torch.cat([*densities, cells.new_zeros(1, dtype=torch.float32)])
        found = torch.cat(features) if features else torch.zeros(0, 1)
        self.table = torch.cat([found, torch.ones_like(found[:, :1])], 1)  # the last column sums to the opacity
        self.row = torch.zeros(side**3, dtype=torch.int64, device=cells.device)
        self.row[cells] = torch.arange(len(cells), device=cells.device)
        flat = self.volume.cells.view(-1)
        flat.zero_()
        flat[cells] = 100.0

    @torch.no_grad()
    def along(self, rays: Rays) -> Seen:
        """What rays see, without gradients."""
        num = len(rays)
        samples = self.volume.march(rays)
        x = self.volume.to_unit(rays.origin[samples.ray] + samples.t[:, None] * rays.direction[samples.ray])
        row = self.row[self.volume.cell_of(x)]
        weight = weights_of(self.density[row] * self.volume.step, samples.ray, num)
        counts = weight > SEEN
        ray, weight, row = samples.ray[counts], weight[counts], row[counts]
        per_ray = torch.bincount(ray, minlength=num)
        sums = F.embedding_bag(row, self.table, per_ray.cumsum(0) - per_ray, mode="sum", per_sample_weights=weight)
        opacity = sums[:, -1]
        colour = torch.zeros(num, 3, device=opacity.device)
        hit = (opacity > SEEN).nonzero()[:, 0]
        colour[hit] = opacity[hit, None] * self.field.colour(sums[hit, :-1] / opacity[hit, None], rays.direction[hit])
        depth = torch.bincount(ray, weight * samples.t[counts], minlength=num) / opacity.clamp_min(1e-6)
        return Seen(colour, opacity, depth.float(), len(row))


class FrozenVolume(Volume):
    """A volume whose cells do not change once it has been marched through."""

    _masks: tuple[Tensor, Tensor] | None = None

    def masks(self) -> tuple[Tensor, Tensor]:
        if self._masks is None:
            self._masks = super().masks()
        return self._masks


def weights_of(thickness: Tensor, ray: Tensor, num_rays: int) -> Tensor:
    """The share of light [m] that samples send, of optical thicknesses [m] in order along `ray` [m]."""
    before = thickness.double().cumsum(0) - thickness  # of all rays; double, because the sum runs over all
    count = torch.bincount(ray, minlength=num_rays)
    first = (count.cumsum(0) - count)[ray]
    return (torch.exp(before[first] - before) * -torch.expm1(-thickness)).float()
