"""What players learn from a class head: at known logits, and that it reaches both players."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from gesso import recipes
from gesso.families.adversarial import Round, Seat, Turn
from gesso.families.adversarial.classes import class_error, classes_of_both, classes_of_fake
from gesso.families.adversarial.game import GameState
from gesso.families.family import Batch
from gesso.judgement import Judgement
from gesso.networks.residual_gan import ResidualCritic, ResidualGenerator
from gesso.ports import Ports


def judged(classes: torch.Tensor) -> Judgement:
    return Judgement((torch.zeros(len(classes), 1),), classes)


def turn_of(labels: torch.Tensor) -> Turn:
    batch = Batch({"label": labels}, Ports(), torch.arange(len(labels)))
    return Turn({}, batch, {}, torch.Generator(), 0, GameState((Seat(),)))


def test_both_players_pay_for_wrong_classes():
    labels = torch.tensor([0, 2])
    turn = turn_of(labels)
    sure, unsure = judged(torch.eye(3)[labels] * 50), judged(torch.zeros(2, 3))
    round = Round(turn, Seat(), lambda picture: unsure, torch.zeros(2), torch.zeros(2), of_real=sure, of_fake=unsure)
    assert classes_of_both(round).tolist() == pytest.approx([math.log(3)] * 2, abs=1e-4)
    turn.rounds["critic"] = round
    assert classes_of_fake(turn).tolist() == pytest.approx([math.log(3)] * 2, abs=1e-4)
    turn.rounds["second"] = replace(round, of_fake=sure)
    assert classes_of_fake(turn).tolist() == pytest.approx([math.log(3)] * 2, abs=1e-4), "critics add up"


def test_a_critic_without_a_class_head_is_refused():
    with pytest.raises(AssertionError):
        class_error(Judgement((torch.zeros(1, 1),)), torch.tensor([0]))


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_the_class_reaches_every_part_of_both_networks(name: str):
    recipe = recipes.find(name).with_facts({"classes": ["a", "b", "c"]})
    torch.manual_seed(0)
    networks = recipe.networks(recipe.presets["tiny"])
    (stage,) = recipe.stages(recipe.presets["tiny"])
    labels = torch.arange(6) % 3
    vector = torch.cat([torch.eye(3)[labels], torch.ones(6, 1)], 1)
    batch = Batch({"image": torch.rand(6, 3, 32, 32) * 2 - 1, "label": labels}, Ports(vector=vector), torch.arange(6))
    state = stage.family.prepare(networks, None, torch.Generator())
    with torch.no_grad():  # as after some steps: scales that start at zero let nothing through to what is below them
        for network in networks.values():
            for p in network.parameters():
                p.add_(torch.randn_like(p) * 0.02)
    for phase in stage.family.phases(0):
        loss = stage.family.loss(phase, networks, batch, state, 0, torch.Generator().manual_seed(0))
        loss.value.mean().backward()
        for role in phase.players:
            still = [key for key, p in networks[role].named_parameters() if p.grad is None or not p.grad.abs().sum()]
            assert set(still) <= {"leave.bias"}, (role, still)  # what is added to all logits cancels in a relativistic game
        assert name == "cgan" or loss.logs["classes"] > 0
        for network in networks.values():
            network.zero_grad()


def test_a_class_changes_what_is_made_and_how_it_is_judged():
    torch.manual_seed(0)
    generator, critic = ResidualGenerator(3, (16, 8), 8, given=4, patch=2), ResidualCritic(3, (16, 8), given=4, patch=2)
    one, two = Ports(vector=torch.tensor([[1.0, 0, 0, 1]])), Ports(vector=torch.tensor([[0.0, 1, 0, 1]]))
    latent = torch.randn(1, 8)
    picture = generator(latent, one)
    assert picture.shape == (1, 3, 16, 16) and not torch.equal(picture, generator(latent, two))
    assert critic(picture, one).logits[0].item() != critic(picture, two).logits[0].item()
    assert critic(picture, one).classes is None
    head = ResidualCritic(3, (16, 8), patch=2, classes=5)(picture, one).classes
    assert head is not None and head.shape == (1, 5)
