"""Captioning: likelihood by hand, what is given stays, texts end, and the seed decides what is drawn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gesso.families.captioning import Captioning, draw
from gesso.families.family import Batch, Inputs
from gesso.media.subwords import END, MASK, PAD, START
from gesso.ports import Ports, Tokens, join

A, B = 260, 261


class Eye(nn.Module):
    taps = ("last",)

    def features(self, pictures: torch.Tensor, names: Any) -> dict[str, torch.Tensor]:
        return dict.fromkeys(names, pictures)


class Writer(nn.Module):
    """After START comes A or B evenly, after A comes B, after B the end; what is seen first is the more likely start."""

    def __init__(self) -> None:
        super().__init__()
        table = torch.full((300, 300), -30.0)
        table[START, [A, B]] = 0
        table[A, B] = table[B, END] = table[END, END] = table[PAD, PAD] = 0
        self.table = nn.Parameter(table)

    def forward(self, ids: torch.Tensor, seen: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
        return self.table[ids]

    def begin(self, seen: torch.Tensor, about: torch.Tensor) -> None:
        return None

    def step(self, memory: None, ids: torch.Tensor) -> torch.Tensor:
        return self.table[ids]


NETWORKS: dict[str, nn.Module] = {"eye": Eye(), "writer": Writer()}


def ports(*texts: list[int], length: int = 6) -> Ports:
    ids = torch.tensor([text + [PAD] * (length - len(text)) for text in texts])
    num = len(texts)
    words = Ports(tokens=Tokens(torch.zeros(num, length, 0), ids != PAD, ids=ids))
    return join([words, Ports(spatial=torch.zeros(num, 4, 2, 2)), Ports(vector=torch.zeros(num, 3))], ["words", "picture", "language"])


def sampled(given: Ports, seed: int = 0, items: Any = None, **settings: float) -> torch.Tensor:
    num = given.vector.shape[0] if given.vector is not None else 0
    chosen = SimpleNamespace(**{"temperature": 1.0, "top_p": 1.0, **settings})
    inputs = Inputs(given, given, (num, 6), items or range(num))
    (out,) = Captioning().sample(NETWORKS, inputs, torch.Generator().manual_seed(seed), chosen)
    assert torch.isfinite(out.media["logits"]).all() and torch.isfinite(out.media["nats"]).all()
    return out.media["ids"]


def test_the_likelihood_counts_every_piece_and_the_end():
    nats, num = Captioning().nats(NETWORKS, ports([START, A, B, END], [START, B, END], []))
    assert nats.tolist() == pytest.approx([0.6931, 0.6931, 0], abs=1e-3) and num.tolist() == [3, 2, 0]
    batch = Batch({}, ports([START, A, B, END], []), torch.arange(2))
    (phase,) = Captioning().phases(0)
    loss = Captioning().loss(phase, NETWORKS, batch, nn.Module(), 0, torch.Generator())
    assert loss.value.shape == (2,) and float(loss.value[0].detach()) == pytest.approx(0.6931 / 3, abs=1e-3) and loss.value[1] == 0


def test_texts_end_and_are_the_seeds():
    several = ports(*[[]] * 40)
    made = sampled(several)
    assert {tuple(row) for row in made.tolist()} == {(START, A, B, END, PAD, PAD), (START, B, END, PAD, PAD, PAD)}
    assert torch.equal(made, sampled(several)) and not torch.equal(made, sampled(several, seed=1))
    assert torch.equal(made[7:8], sampled(ports([]), items=[7])), "an item's text does not depend on its batch"


def test_given_words_stay_and_the_text_goes_on():
    assert sampled(ports([START, A, END])).tolist() == [[START, A, B, END, PAD, PAD]]
    full = [START, B, B, B, A, END]
    assert sampled(ports(full)).tolist()[0][:5] == full[:5]


def test_cold_and_narrow_draws_are_the_likeliest():
    logits = torch.tensor([0.0, 1.0, 0.9])
    rng = torch.Generator().manual_seed(0)
    cold, narrow, warm = (SimpleNamespace(temperature=t, top_p=p) for t, p in ((0, 1.0), (1.0, 0.2), (1.0, 1.0)))
    assert int(draw(logits, rng, cold)) == 1 and {int(draw(logits, rng, narrow)) for _ in range(20)} == {1}
    assert {int(draw(logits, rng, warm)) for _ in range(60)} == {0, 1, 2}
    assert MASK not in sampled(ports(*[[]] * 20), temperature=2.0)
