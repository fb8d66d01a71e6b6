"""The hash grid: interpolation, rows without collisions, and the table's gradient."""

import pytest
import torch

from gesso.errors import GessoError
from gesso.networks.hash_grid import HashGrid


def plain(grid: HashGrid, x: torch.Tensor) -> torch.Tensor:
    """The encoding in the plainest way: corner by corner, level by level."""
    found = []
    for level, resolution in enumerate(grid.resolutions):
        place = x * resolution
        low = place.floor().long()
        total = torch.zeros(len(x), grid.num_features)
        for corner in range(8):
            step = torch.tensor([corner >> 2 & 1, corner >> 1 & 1, corner & 1])
            factors = grid.factors[level].long()
            a, b, c = (((low + step) * factors) & grid.mask).unbind(1)
            weight = torch.where(step.bool(), place - low, 1 - (place - low)).prod(1)
            total += weight[:, None] * grid.table[level * (grid.mask + 1) + (a ^ b ^ c)]
        found.append(total)
    return torch.cat(found, 1)


def test_it_equals_the_plain_formula():
    grid = HashGrid(5, 12, 2, 4, 90)
    grid.table.data.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.rand(200, 3, generator=torch.Generator().manual_seed(1)) * 0.999
    assert torch.allclose(grid(x), plain(grid, x), atol=1e-5)


def test_the_gradient_is_autograds():
    grid = HashGrid(3, 10, 2, 4, 40)
    x = torch.rand(64, 3, generator=torch.Generator().manual_seed(0)) * 0.999
    aim = torch.randn(64, grid.num_outputs, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((grid(x) * aim).sum(), grid.table)
    (theirs,) = torch.autograd.grad((plain(grid, x) * aim).sum(), grid.table)
    assert torch.allclose(ours, theirs, atol=1e-4)


def test_a_coarse_level_has_a_row_for_each_vertex():
    grid = HashGrid(1, 12, 1, 15, 15)
    corners = torch.stack(torch.meshgrid(*[torch.arange(15)] * 3, indexing="ij"), -1).view(-1, 3)
    rows, _ = grid.vertices((corners + 0.5) / 15)
    assert len(rows[:, 0].unique()) == 15**3
    assert len(rows.unique()) == 16**3


def test_points_on_and_beyond_the_boxs_sides_stay_inside_the_table():
    grid = HashGrid(6, 10, 2, 4, 8192)
    x = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [-3.0, 2.0, 0.5]])
    rows, weights = grid.vertices(x)
    assert int(rows.min()) >= 0 and int(rows.max()) < len(grid.table)
    assert torch.allclose(weights.sum(1), torch.ones(len(weights)), atol=1e-4)


def test_a_level_can_be_left_out():
    grid = HashGrid(3, 10, 2, 4, 40)
    found = grid(torch.rand(5, 3), torch.tensor([1.0, 0.5, 0.0]))
    assert bool((found[:, 4:] == 0).all()) and bool((found[:, :4] != 0).any())


@pytest.mark.parametrize("sizes", [(0, 12, 2, 4, 8), (4, 40, 2, 4, 8), (4, 12, 2, 16, 8), (4, 12, 2, 1, 8)])
def test_impossible_sizes_are_refused(sizes: tuple[int, ...]):
    with pytest.raises(GessoError, match="hash grid"):
        HashGrid(*sizes)
