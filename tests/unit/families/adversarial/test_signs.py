"""Signs of trouble in a game: what counts as collapse and as a critic that overfits, and when nothing is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from gesso.families.adversarial.objectives import LEAST_SQUARES, NON_SATURATING, RELATIVISTIC
from gesso.families.adversarial.signs import EARLY, LONG, signs_of_trouble, spread


def lines(num: int = LONG, start: int = EARLY, **values: float) -> list[dict[str, Any]]:
    return [{"step": start + 20 * (n + 1), **{f"critic/critic_{k}": v for k, v in values.items()}} for n in range(num)]


def test_spread_is_of_pictures_not_of_pixels():
    flat = torch.full((8, 3, 32, 32), 0.5)
    same_noise = torch.randn(1, 3, 32, 32).expand(8, -1, -1, -1)
    shades = torch.linspace(-1, 1, 8)[:, None, None, None].expand(-1, 3, 32, 32)
    assert spread(flat) == 0 and spread(same_noise) < 1e-6 and spread(shades) > 0.5


def test_a_collapse_is_told_after_it_lasts():
    assert not signs_of_trouble(lines(spread=0.9, r_t=0.5), ["critic"], augmented=False)
    told = signs_of_trouble(lines(spread=0.1, r_t=0.5), ["critic"], augmented=False)
    assert list(told) == ["collapse critic"] and "10%" in told["collapse critic"]
    assert not signs_of_trouble(lines(LONG - 1, spread=0.1, r_t=0.5), ["critic"], augmented=False)
    assert not signs_of_trouble([*lines(spread=0.1), *lines(1, EARLY + 400, spread=0.6)], ["critic"], augmented=False)
    assert not signs_of_trouble(lines(start=0, spread=0.1, num=LONG), ["critic"], augmented=False), "too early"


@pytest.mark.parametrize(("augmented", "word"), [(True, "more pictures"), (False, "or with augmentation")])
def test_a_critic_that_overfits_is_told_with_what_to_do(augmented: bool, word: str):
    told = signs_of_trouble(lines(spread=0.9, r_t=0.99), ["critic"], augmented=augmented)
    assert list(told) == ["overfit critic"] and word in told["overfit critic"]


def test_a_relativistic_critic_that_is_always_right_is_no_sign():
    assert not signs_of_trouble(lines(spread=0.9, r_t=0.99), ["critic"], augmented=False, absolute=RELATIVISTIC.absolute)


def test_sureness_follows_the_objective():
    real, fake = torch.tensor([0.3, 0.7]), torch.tensor([0.5, 0.5])
    assert NON_SATURATING.sure(real, fake).tolist() == [1, 1]
    assert LEAST_SQUARES.sure(real, fake).tolist() == [-1, 1]
    assert RELATIVISTIC.sure(real, fake).tolist() == [-1, 1]


def test_a_loss_that_leaps_is_told_at_once_and_over_later():
    usual = [{"step": 20 * n, "loss/critic": 0.7 + 0.05 * (n % 3), "loss/generator": -0.4} for n in range(1, 6)]
    assert not signs_of_trouble(usual, ["critic"], augmented=False)
    leapt = [*usual, {"step": 120, "loss/critic": 24.0, "loss/generator": -0.5}]
    told = signs_of_trouble(leapt, ["critic"], augmented=False, absolute=False)
    assert list(told) == ["leap critic"] and "24" in told["leap critic"] and "step 120" in told["leap critic"]
    later = [*leapt, *({"step": 120 + 20 * n, "loss/critic": 0.8, "loss/generator": -0.4} for n in range(1, LONG + 1))]
    assert not signs_of_trouble(later, ["critic"], augmented=False)
    falls = [{"step": 20 * n, "loss/critic": 90.0 / n, "loss/generator": 0.01 * n} for n in range(1, 12)]
    assert not signs_of_trouble(falls, ["critic"], augmented=False), "a high loss at the start, and small ones, are usual"


def test_a_generator_without_gradient_is_told():
    still = [{**line, "norm/generator": 0.0} for line in lines(spread=0.9, r_t=0.5)]
    assert list(signs_of_trouble(still, ["critic"], augmented=False)) == ["still generator"]
    still[-1]["norm/generator"] = 0.1
    assert not signs_of_trouble(still, ["critic"], augmented=False)
