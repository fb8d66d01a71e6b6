"""The multiresolution hash encoding of Müller 2022: learned features of a point in space, from tables of several resolutions."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.errors import GessoError

PRIMES = (1, 2654435761, 805459861)  # Müller 2022, equation 4


class HashGrid(nn.Module):
    """Features [n num_levels·num_features] of points [n 3] in [0, 1], by trilinear interpolation between hashed vertices.

    Level l has resolution `coarsest`·b^l, up to `finest` (equations 2 and 3), and a table of 2^`log2_size` rows. Where a level's
    vertices fit into its table, each has a row of its own. `weight` [num_levels] scales the features, so that fine levels may
    join later than coarse ones. Points get no gradient.
    """

    def __init__(self, num_levels: int = 8, log2_size: int = 16, num_features: int = 2, coarsest: int = 16, finest: int = 256) -> None:
        super().__init__()
        if not (1 <= num_levels <= 32 and 8 <= log2_size <= 22 and 2 <= coarsest <= finest <= 2**13):
            raise GessoError("these are not the sizes of a hash grid", where="HashGrid", fix="levels 1-32, tables 2^8-2^22, finest ≤ 8192")
        growth = math.exp((math.log(finest) - math.log(coarsest)) / max(1, num_levels - 1))
        self.resolutions = [int(coarsest * growth**level + 1e-6) for level in range(num_levels)]
        self.num_levels, self.num_features, size = num_levels, num_features, 2**log2_size
        self.num_outputs = num_levels * num_features
        # All levels lie in one table and share one formula, (x·a) ^ (y·b) ^ (z·c): for a level without collisions the factors are
        # powers of two, and ^ is +. Factors are kept below the table's size, so that int32 does not overflow.
        factors = [_factors(resolution, log2_size) for resolution in self.resolutions]
        self.table = nn.Parameter(torch.empty(num_levels * size, num_features).uniform_(-1e-4, 1e-4))
        self.factors = nn.Buffer(torch.tensor(factors, dtype=torch.int32), persistent=False)  # [levels 3]
        self.first = nn.Buffer(torch.arange(num_levels, dtype=torch.int32) * size, persistent=False)
        self.scale = nn.Buffer(torch.tensor(self.resolutions, dtype=torch.float32), persistent=False)
        self.mask = size - 1

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        rows, weights = self.vertices(x)
        found: Tensor = _Interpolate.apply(self.table, rows, weights)
        found = found.view(self.num_levels, len(x), self.num_features)
        if weight is not None:
            found = found * weight[:, None, None]
        return found.transpose(0, 1).reshape(len(x), self.num_outputs)

    def vertices(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The table's rows [levels·n 8] (int32) of the vertices around each point, and their trilinear weights; level by level."""
        # Coordinate by coordinate and corner by corner, because broadcasts over short last dimensions are three times slower.
        place = x.clamp(0, 1 - 1e-6).t()[:, None] * self.scale[:, None]  # [3 levels n]
        low = place.floor()
        near, part, factors = low.int(), place - low, self.factors.t()[:, :, None]
        one, other = (near * factors).bitwise_and_(self.mask), ((near + 1) * factors).bitwise_and_(self.mask)
        first = self.first[:, None]  # tables begin at multiples of their size
        ends = [[one[0] | first, other[0] | first], [one[1], other[1]], [one[2], other[2]]]
        sides = [[1 - part[i], part[i]] for i in range(3)]
        faces = [(y ^ z, v * w) for y, v in zip(ends[1], sides[1], strict=True) for z, w in zip(ends[2], sides[2], strict=True)]
        corners = [(x ^ yz, u * vw) for x, u in zip(ends[0], sides[0], strict=True) for yz, vw in faces]
        rows, weights = (torch.stack(each, -1).view(-1, 8) for each in zip(*corners, strict=True))
        return rows, weights


class _Interpolate(torch.autograd.Function):
    """Weighted sums of a table's rows. The gradient is one pass per feature, by the fastest way that torch has on a CPU to add numbers
    at repeated places (1-d, with int64)."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.shape = table.shape
        return F.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = slopes
        rows, weights = ctx.saved_tensors
        flat = rows.view(-1).long()
        table = slope.new_zeros(ctx.shape[1], ctx.shape[0])
        for one, along in zip(table, slope.unbind(1), strict=True):
            one.scatter_add_(0, flat, (along[:, None] * weights).view(-1))
        return table.t().contiguous(), None, None


def _factors(resolution: int, log2_size: int) -> tuple[int, int, int]:
    bits = resolution.bit_length()  # of the highest vertex
    if 3 * bits <= log2_size:
        return 1, 2**bits, 4**bits
    first, second, third = (prime % 2**log2_size for prime in PRIMES)
    return first, second, third
