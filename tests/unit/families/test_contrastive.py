"""Contrastive learning: the objectives' own values, pairs that do not count, and a batch that is never divided."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from gesso.families.contrastive import Contrastive, counted, sigmoid_loss, softmax_loss, unit
from gesso.families.family import Batch, Inputs
from gesso.networks.pair_logits import PairLogits
from gesso.ports import Ports, Tokens, join


def truth(*pairs: tuple[str, str]) -> list[dict[str, frozenset[str]]]:
    return [{"said": frozenset(said.split()), "holds": frozenset(holds.split())} for said, holds in pairs]


def test_what_is_true_of_another_picture_is_no_negative():
    told = truth(("cat", "cat red animal"), ("red", "red ball"), ("ball", "red ball"))
    assert counted(told).tolist() == [[True, True, True], [False, True, False], [True, False, True]]
    assert counted([{}, *told[:1]]).tolist() == [[False, False], [False, True]], "of an example without words nothing is known"


def test_the_sigmoid_loss_is_a_question_for_each_pair():
    logits = torch.tensor([[2.0, -1.0], [0.5, 1.0]])
    everything = torch.ones(2, 2, dtype=torch.bool)
    expected = [
        -math.log(1 / (1 + math.exp(-2))) - math.log(1 / (1 + math.exp(-1))),
        math.log(1 + math.exp(0.5)) + math.log(1 + math.exp(-1)),
    ]
    assert sigmoid_loss(logits, everything).tolist() == pytest.approx(expected, rel=1e-5)
    assert sigmoid_loss(logits, torch.eye(2, dtype=torch.bool)).tolist() == pytest.approx(
        [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-1))]
    )


def test_the_softmax_loss_chooses_in_both_directions():
    assert softmax_loss(torch.zeros(4, 4), torch.ones(4, 4, dtype=torch.bool)).tolist() == pytest.approx([math.log(4)] * 4)
    counts = torch.ones(3, 3, dtype=torch.bool)
    counts[0, 1] = counts[1, 0] = False
    assert softmax_loss(torch.zeros(3, 3), counts)[:2].tolist() == pytest.approx([math.log(2)] * 2), (
        "a pair that does not count is no choice"
    )
    counts[2] = False
    assert softmax_loss(torch.zeros(3, 3), counts)[2] == 0


class Bag(nn.Module):
    """A text as the sum of its ids' vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(300, 8)

    def forward(self, tokens: Tokens) -> Ports:
        assert tokens.ids is not None
        return Ports(vector=(self.embed(tokens.ids) * tokens.mask[..., None]).sum(1))


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(3, 8)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.map(pictures.mean((-2, -1)))


def batch(num: int = 6) -> Batch:
    ids = torch.arange(num)[:, None] + 260
    rng = torch.Generator().manual_seed(0)
    words = Ports(tokens=Tokens(torch.zeros(num, 1, 0), torch.ones(num, 1, dtype=torch.bool), ids=ids))
    picture = Ports(spatial=torch.cat([torch.randn(num, 3, 1, 1, generator=rng).expand(num, 3, 4, 4), torch.ones(num, 1, 4, 4)], 1))
    names = [str(n) for n in range(num)]
    told = truth(*[(name, name) for name in names])
    return Batch({}, join([words, picture], ["words", "picture"]), torch.arange(num), {"words": told})


@pytest.mark.parametrize("objective", ["sigmoid", "softmax"])
def test_pairs_find_each_other(objective: Any):
    torch.manual_seed(0)
    family = Contrastive(objective=objective)
    scale = PairLogits() if objective == "sigmoid" else PairLogits(1 / 0.07, None)
    networks: dict[str, nn.Module] = {"text": Bag(), "picture": Mean(), "match": scale}
    (phase,) = family.phases(0)
    assert phase.whole and set(phase.players) == set(networks), "a divided batch has other negatives"
    optimiser = torch.optim.Adam([p for network in networks.values() for p in network.parameters()], 0.03)
    logs: dict[str, Any] = {}
    for step in range(150):
        loss = family.loss(phase, networks, batch(), nn.Module(), step, torch.Generator())
        assert loss.value.shape == (6,)
        optimiser.zero_grad()
        loss.value.mean().backward()
        optimiser.step()
        logs = loss.logs
    assert float(logs["found"]) == 1
    ports = batch().ports
    (out,) = family.sample(networks, Inputs(ports, ports, (6, 8)), torch.Generator(), None)
    assert torch.allclose(out.media["words"].norm(dim=1), torch.ones(6), atol=1e-5)
    assert torch.allclose(out.media["cosine"], (out.media["words"] * out.media["picture"]).sum(1))
    assert (out.media["words"] @ out.media["picture"].T).argmax(1).tolist() == list(range(6))


def test_a_card_without_words_or_picture_is_told():
    with pytest.raises(ValueError, match="tokens of words and a picture"):
        Contrastive().embedded({}, Ports(by_slot={"words": Ports(), "picture": Ports()}))
    assert torch.isfinite(unit(torch.zeros(2, 3))).all()
