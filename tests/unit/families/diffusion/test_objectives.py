"""What is learned: targets as in the papers, and the same guess from every objective's right answer."""

from __future__ import annotations

import pytest
import torch

from gesso.families.diffusion.objectives import Edm, Epsilon, FlowMatching, Velocity
from gesso.families.diffusion.schedules import Cosine
from gesso.families.family import Batch
from gesso.ports import Ports

ALL = [FlowMatching(), Epsilon(), Epsilon(Cosine()), Velocity(), Edm()]
RNG = torch.Generator().manual_seed(0)
CLEAN, NOISE = (torch.randn(16, 3, 4, 4, generator=RNG, dtype=torch.float64) for _ in range(2))


def beside(t):
    return t[:, None, None, None]


def drawn(objective, num: int = 16) -> torch.Tensor:
    return objective.times(Batch({}, Ports(), torch.arange(num)), torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("objective", ALL, ids=lambda o: o.predicts)
def test_the_right_answer_gives_back_data_and_noise(objective):
    lesson = objective.lesson(CLEAN, NOISE, drawn(objective))
    guess = objective.guess(lesson.target, lesson.x, lesson.t)
    assert torch.allclose(guess.clean, CLEAN) and torch.allclose(guess.noise, NOISE)
    path = objective.path
    assert torch.allclose(guess.rate, path.b * CLEAN + path.d * NOISE)
    assert lesson.weight.shape == (16,)


def test_targets_are_those_of_the_papers():
    t = drawn(Velocity())
    alpha, sigma = (1 / (1 + t**2).sqrt(), t / (1 + t**2).sqrt())  # of the variance-preserving path
    assert torch.allclose(Epsilon().lesson(CLEAN, NOISE, t).target, NOISE)
    assert torch.allclose(Velocity().lesson(CLEAN, NOISE, t).target, beside(alpha) * NOISE - beside(sigma) * CLEAN)
    assert torch.allclose(FlowMatching().lesson(CLEAN, NOISE, t).target, CLEAN - NOISE)


@pytest.mark.parametrize("objective", [Epsilon(), Velocity()], ids=lambda o: o.predicts)
def test_networks_see_the_variance_preserving_path(objective):
    t = drawn(objective)
    lesson = objective.lesson(CLEAN, NOISE, t)
    seen: list[torch.Tensor] = []

    def network(x, told):
        seen.extend((x, told))
        return x

    objective.asked(network, lesson.x, t)
    x, told = seen
    alpha, sigma = beside(1 / (1 + t**2).sqrt()), beside(t / (1 + t**2).sqrt())
    assert torch.allclose(x, alpha * CLEAN + sigma * NOISE)
    assert ((told >= 0) & (told <= 1)).all()


def test_edm_has_inputs_and_targets_of_unit_variance():
    edm = Edm()
    t = drawn(edm, 4000)
    clean, noise = 0.5 * torch.randn(4000, 8, 1, 1, dtype=torch.float64), torch.randn(4000, 8, 1, 1, dtype=torch.float64)
    lesson = edm.lesson(clean, noise, t)
    assert float(lesson.target.std()) == pytest.approx(1, abs=0.03)
    assert float(edm.asked(lambda x, told: x, lesson.x, t).std()) == pytest.approx(1, abs=0.03)
    skip, out, scale = edm.scales(torch.tensor([0.5, 1e-9]))
    assert skip.tolist() == pytest.approx([0.5, 1]) and out[1] < 1e-8 and scale[1] == pytest.approx(2)


def test_a_limit_holds_what_is_expected_within_the_range_of_the_data():
    x, t = torch.full((1, 1, 1, 1), 9.0), torch.tensor([3.0])
    free, held = (Epsilon(limit=limit).guess(torch.zeros_like(x), x, t) for limit in (0.0, 1.0))
    assert free.clean.item() == 9 and held.clean.item() == 1
    assert held.noise.item() == pytest.approx((9 - 1) / 3)


def test_times_cover_the_whole_path():
    times = FlowMatching().times(Batch({}, Ports(), torch.arange(4000)), torch.Generator().manual_seed(0))
    assert 0 <= times.min() < 0.02 and 0.98 < times.max() <= 1
    assert abs(float(times.mean()) - 0.5) < 0.02
    middle = ((times > 0.25) & (times < 0.75)).float().mean()
    assert middle > 0.6, "logit-normal times are mostly in the middle"


def test_the_path_is_a_straight_line():
    def at(t):
        return FlowMatching().lesson(CLEAN, NOISE, torch.full((16,), t, dtype=torch.float64)).x

    assert torch.equal(at(0.0), NOISE) and torch.allclose(at(1.0), CLEAN)
    assert torch.allclose(at(0.5), (NOISE + CLEAN) / 2)
