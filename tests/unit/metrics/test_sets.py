"""The yardstick measures what it says: faults that are planted in a set of pictures move it, each in its direction."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.metrics.frechet import fd_gesso
from gesso.metrics.sets import (
    coverage_figures,
    distances,
    diversity_of_set,
    kernel_distance,
    kernel_interval,
    measure_set,
    memorised,
    with_interval,
)

NUM, WIDE = 400, 8


def clusters(seed: int, num: int = NUM, kinds: tuple[float, ...] = (1.0,) * 5) -> np.ndarray:
    """Features of five kinds, with relative frequencies `kinds`."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(99).normal(0, 4, (5, WIDE))
    return middles[rng.choice(5, num, p=np.array(kinds) / sum(kinds))] + rng.normal(size=(num, WIDE))


def test_two_halves_of_one_set_are_near():
    one, two = clusters(0), clusters(1)
    lost = clusters(1, kinds=(1.0, 1.0, 0.0, 0.0, 0.0))
    for measure in (fd_gesso, kernel_distance):
        assert abs(measure(one, two)) < 0.05 * measure(lost, two)
    figures = coverage_figures(one, two)
    assert min(figures["precision"], figures["recall"], figures["coverage"]) > 0.85 and 0.9 < figures["density"] < 1.1


@pytest.mark.parametrize("measure", [fd_gesso, kernel_distance])
def test_distances_grow_with_noise_with_lost_kinds_and_with_imbalance(measure):
    real = clusters(0)
    noisy = [measure(clusters(1) + np.random.default_rng(2).normal(0, s, (NUM, WIDE)), real) for s in (0, 1, 2, 4)]
    lost = [measure(clusters(1, kinds=(1.0,) * k + (0.0,) * (5 - k)), real) for k in (5, 4, 2, 1)]
    uneven = [measure(clusters(1, kinds=(k, 1.0, 1.0, 1.0, 1.0)), real) for k in (1, 4, 16, 64)]
    for row in (noisy, lost, uneven):
        assert row == sorted(row), row


def test_precision_falls_with_noise_and_recall_with_lost_kinds():
    real = clusters(0)
    good = coverage_figures(clusters(1), real)
    noisy = coverage_figures(clusters(1) + np.random.default_rng(2).normal(0, 3, (NUM, WIDE)), real)
    lost = coverage_figures(clusters(1, kinds=(1.0, 1.0, 0.0, 0.0, 0.0)), real)
    assert noisy["precision"] < 0.6 * good["precision"] and noisy["density"] < 0.6 * good["density"]
    assert lost["precision"] > 0.85 and lost["recall"] < 0.6 and lost["coverage"] < 0.6


def test_copies_of_training_pictures_are_found():
    learned, held = clusters(0), clusters(1)
    copies = learned[np.random.default_rng(3).integers(NUM, size=NUM)] + 1e-3
    shares = [memorised(np.concatenate([copies[:k], clusters(4)[k:]]), held, learned) for k in (0, NUM // 4, NUM // 2, NUM)]
    assert shares == sorted(shares) and shares[0] < 0.12 and shares[-1] == 1.0


def test_kernel_distance_is_what_the_paper_says():
    one, two = clusters(0, 20), clusters(5, 30)

    def k(a, b):
        return (a @ b / WIDE + 1) ** 3

    inside = [np.mean([k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j]) for s in (one, two)]
    wanted = sum(inside) - 2 * np.mean([k(a, b) for a in one for b in two])
    assert kernel_distance(one, two) == pytest.approx(wanted, rel=1e-9)


def test_distances_of_many_rows_are_exact():
    one, two = clusters(0, 700), clusters(1, 30)
    assert np.allclose(distances(one, two), np.linalg.norm(one[:, None] - two[None], axis=2), atol=1e-3)


def test_an_interval_holds_the_value_and_narrows_with_more_pictures():
    few = with_interval(kernel_distance, clusters(1, 60), clusters(0, 60))
    many = with_interval(kernel_distance, clusters(1, 600), clusters(0, 600))
    assert many["high"] - many["low"] < few["high"] - few["low"] and few["n"] == 60


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_an_interval_is_about_its_value_and_as_wide_as_chance(shift: float):
    """In 30 draws of both sets, values spread about as widely as an interval of one draw says."""
    pairs = [(clusters(2 * n, 100) + shift, clusters(2 * n + 1, 100)) for n in range(30)]
    for measure, interval in ((fd_gesso, lambda a, b: with_interval(fd_gesso, a, b)), (kernel_distance, kernel_interval)):
        one = interval(*pairs[0])
        assert one["low"] <= one["value"] <= one["high"] and one["value"] == pytest.approx(measure(*pairs[0]))
        spread = np.std([measure(*pair) for pair in pairs])
        assert 0.3 < (one["high"] - one["low"]) / (3.3 * spread) < 3


def test_diversity_is_the_mean_distance_of_two():
    few = clusters(0, 30)
    apart = np.linalg.norm(few[:, None] - few[None], axis=2)
    assert diversity_of_set(few) == pytest.approx(apart.sum() / (30 * 29), rel=1e-4)
    assert diversity_of_set(clusters(1, kinds=(1.0, 0.0, 0.0, 0.0, 0.0))) < 0.7 * diversity_of_set(clusters(1))


def test_a_report_names_its_numbers():
    figures = measure_set(clusters(1), clusters(0), clusters(2))
    named = {"fd_gesso", "kernel distance", "precision", "recall", "density", "coverage", "diversity over real", "memorised"}
    assert set(figures) == named | {"n made", "n real"}


def test_sets_that_cannot_be_compared_are_refused():
    for made, real in ((clusters(0, 2), clusters(0)), (clusters(0)[:, :3], clusters(0)), (clusters(0)[0], clusters(0))):
        with pytest.raises(GessoError, match="cannot be compared"):
            coverage_figures(made, real)
