"""Codes are drawn as temperature, top-p and what is allowed say."""

from __future__ import annotations

import pytest
import torch

from gesso.families.autoregressive.choosing import guided_scores, gumbel, item_rngs, narrowed

LOGITS = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()


def test_all_is_kept_without_wishes():
    assert torch.allclose(narrowed(LOGITS).exp(), LOGITS.exp())
    assert torch.allclose(narrowed(LOGITS, temperature=0.5).exp(), LOGITS.exp() ** 2 / (LOGITS.exp() ** 2).sum())


@pytest.mark.parametrize(("top_p", "left"), [(0.01, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.76, 3), (0.95, 4), (1.0, 4)])
def test_the_likeliest_that_hold_the_share_are_kept(top_p: float, left: int):
    scores = narrowed(LOGITS[torch.tensor([2, 0, 3, 1])], top_p=top_p)
    assert int(scores.isfinite().sum()) == left and float(scores.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert scores.isfinite().tolist() == [left >= 3, True, left >= 4, left >= 2]


def test_what_is_not_allowed_is_never_drawn():
    allowed = torch.tensor([False, True, True, False])
    scores = narrowed(LOGITS, top_p=0.9, allowed=allowed)
    assert torch.allclose(scores.exp(), torch.tensor([0, 0.625, 0.375, 0]), atol=1e-5)
    assert narrowed(LOGITS, temperature=0, allowed=allowed).exp().tolist() == [0, 1, 0, 0]


def test_draws_have_the_probabilities_and_depend_on_seed_and_item_alone():
    rngs = item_rngs(3, range(4000))
    drawn = (narrowed(LOGITS) + gumbel(rngs, 4)).argmax(-1)
    shares = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(shares, LOGITS.exp(), atol=0.03)
    assert torch.equal(gumbel(item_rngs(3, [7, 8]), 5)[1], gumbel(item_rngs(3, [8]), 5)[0])


def test_guidance_goes_beyond_what_is_given():
    rows = torch.tensor([[2.0, 0.0], [1.0, 0.0]])
    assert torch.equal(guided_scores(rows, 2, 1.0), rows)
    assert torch.equal(guided_scores(rows, 1, 3.0), torch.tensor([[4.0, 0.0]]))
