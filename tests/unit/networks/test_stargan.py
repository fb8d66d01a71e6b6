"""StarGAN's networks choose a head by the domain, take any size, and pass on what they do not change."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.stargan import DomainCritic, DomainMapping, StyledTranslator, StyleEncoder, chosen
from gesso.ports import Ports

DOMAINS = torch.eye(3)


def test_one_of_several_heads_is_chosen():
    values = torch.arange(6.0)[None].repeat(3, 1)
    assert chosen(values, DOMAINS).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_domains_have_styles_of_their_own_from_the_start():
    torch.manual_seed(0)
    mapping, encoder = DomainMapping(4, 8, 3), StyleEncoder(3, (8, 8), 8, 3)
    for styles in (mapping(torch.zeros(3, 4), DOMAINS), encoder(torch.zeros(3, 3, 16, 16), DOMAINS)):
        assert styles.shape == (3, 8) and torch.cdist(styles, styles)[~torch.eye(3, dtype=torch.bool)].min() > 0.5


@pytest.mark.parametrize("size", [(32, 32), (37, 50)])
def test_a_picture_keeps_its_size_and_what_is_not_changed(size):
    network = StyledTranslator(3, (8, 16), 8)
    picture = torch.rand(2, 3, *size) * 2 - 1
    made, share = network.changed(picture, torch.randn(2, 8))
    assert made.shape == picture.shape and share.shape == (2, 1, *size) and made.abs().max() <= 1
    torch.nn.init.constant_(network.leave.bias[3:], -1000.0)
    assert torch.allclose(network(picture, torch.randn(2, 8)), picture), "where the share is 0 the input stays"


def test_the_critic_answers_for_the_wanted_domain():
    critic = DomainCritic(3, (8, 8), 3, "attribute")
    picture = torch.randn(1, 3, 16, 16).expand(3, -1, -1, -1)
    asked = Ports(vector=torch.cat([DOMAINS, torch.ones(3, 1)], 1))
    judged = critic(picture, Ports(by_slot={"attribute": asked}))
    assert judged.logits[0].shape == (3, 1, 4, 4) and judged.classes.shape == (3, 3)
    assert not torch.allclose(judged.logits[0][0], judged.logits[0][1]) and torch.allclose(judged.classes[0], judged.classes[1])
