"""Spreading along edges: marks keep their values, edges stop them, and no place counts more than another."""

import numpy as np
import torch

from gesso.rules.photo_colouring import coloured, suggestions
from gesso.rules.spreading import filtered, spread


def halves(h=24, w=40):
    """L* of a page whose left is dark and whose right is light, [1 1 h w]."""
    guide = torch.full((1, 1, h, w), 30.0)
    guide[..., w // 2 :] = 80
    return guide


def test_a_mark_keeps_its_value_and_an_edge_stops_it():
    guide = halves()
    values, marked = torch.zeros(1, 2, 24, 40), torch.zeros(1, 1, 24, 40)
    values[..., 12, 5], marked[..., 12, 5] = 7, 1
    found, share = spread(values, marked, guide, reach=12.0, edge=12.0)
    assert found[0, :, 12, 5].tolist() == [7, 7] and share[0, 0, 12, 5] == 1
    torch.testing.assert_close(found[0, 0, 12, 9], torch.tensor(7.0))
    assert share[0, 0, 12, 9] > 10 * share[0, 0, 12, 30]
    assert share.min() >= 0 and share.max() <= 1


def test_between_two_marks_the_nearer_counts_more():
    values, marked = torch.zeros(1, 1, 5, 31), torch.zeros(1, 1, 5, 31)
    values[..., 2, 0], values[..., 2, 30], marked[..., 2, 0], marked[..., 2, 30] = -1, 1, 1, 1
    found, _ = spread(values, marked, torch.zeros(1, 1, 5, 31), reach=10.0, edge=1.0)
    row = found[0, 0, 2]
    assert row[8] < -0.3 and row[22] > 0.3 and abs(row[15]) < 1e-3


def test_without_a_mark_nothing_is_spread():
    found, share = spread(torch.ones(1, 2, 6, 6), torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 6, 6), 5.0, 1.0)
    assert not found.any() and not share.any()


def test_each_item_is_spread_on_its_own():
    rng = torch.Generator().manual_seed(1)
    values, guide = torch.rand(3, 2, 9, 11, generator=rng), 50 * torch.rand(3, 1, 9, 11, generator=rng)
    marked = (torch.rand(3, 1, 9, 11, generator=rng) > 0.9).float()
    together = spread(values, marked, guide, 4.0, 10.0)
    for i in range(3):
        alone = spread(values[i : i + 1], marked[i : i + 1], guide[i : i + 1], 4.0, 10.0)
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[i : i + 1], other)


def test_without_edges_two_places_count_for_each_other_alike():
    each = torch.eye(35).view(35, 1, 5, 7)
    matrix = filtered(each, torch.zeros(35, 1, 5, 7), reach=3.0, edge=1.0).reshape(35, 35)
    torch.testing.assert_close(matrix, matrix.T, atol=0.01, rtol=0)
    inside = filtered(torch.ones(1, 1, 60, 60), torch.zeros(1, 1, 60, 60), reach=2.0, edge=1.0)
    assert abs(inside[0, 0, 30, 30] - 1) < 1e-3


def test_colours_of_points_win_and_the_lightness_stays():
    lightness = np.full((20, 30), 55, np.float32)
    exact = np.zeros((4, 20, 30), np.float32)
    exact[:, 10, 15] = 0.6, -0.2, -0.7, 1
    from gesso.media.lab import lab_planes, to_lab

    made = coloured(lightness, np.zeros((2, 20, 30), np.float32), exact, exact, 1.0)
    lab = lab_planes(made)
    wanted = to_lab(torch.tensor([0.6, -0.2, -0.7]).view(1, 3, 1, 1))[0, :, 0, 0]
    assert np.abs(lab[1:, 10, 15] - wanted[1:].numpy()).max() < 1.0
    assert np.abs(lab[0] - 55).max() < 0.6
    assert np.abs(lab[1, 10, 16] - lab[1, 10, 15]) < 6 < np.abs(lab[1, 10, 15])
    untouched = coloured(lightness, np.zeros((2, 20, 30), np.float32), exact, exact, 0.0)
    assert np.abs(lab_planes(untouched)[1:, 0, 0]).max() < 0.1


def test_suggestions_are_the_likeliest_colours_and_differ():
    from gesso.media.lab import chroma_bins

    bins = chroma_bins()
    likely = np.full(len(bins), 1e-6)
    red = int((bins - torch.tensor([60.0, 40.0])).norm(dim=1).argmin())
    blue = int((bins - torch.tensor([10.0, -50.0])).norm(dim=1).argmin())
    likely[red], likely[red - 1], likely[blue] = 0.6, 0.3, 0.1
    first, second, *rest = suggestions(likely, 50.0)
    assert int(first[1:3], 16) > int(first[5:7], 16) and int(second[5:7], 16) > int(second[1:3], 16) and len(rest) == 3
