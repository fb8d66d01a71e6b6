"""ConvNet: taps, features and logits."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gesso.errors import GessoError
from gesso.networks.convnet import ConvNet, StandardConv2d, vgg19

PLAN = ((4, 2), (8, 1), (8, 1))


@pytest.fixture
def network() -> ConvNet:
    torch.manual_seed(0)
    return ConvNet(3, PLAN, 5).eval()


def test_taps_have_the_names_and_sizes_of_the_paper(network):
    taps = network.features(torch.rand(2, 3, 16, 20))
    assert {name: tuple(tap.shape[1:]) for name, tap in taps.items()} == {
        "conv1_1": (4, 16, 20),
        "conv1_2": (4, 16, 20),
        "conv2_1": (8, 8, 10),
        "conv3_1": (8, 4, 5),
    }
    assert all((tap >= 0).all() for tap in taps.values())


def test_layers_above_the_highest_named_tap_are_not_computed(network, monkeypatch):
    def refuse(x):
        raise AssertionError("computed")

    monkeypatch.setattr(network.layers["conv2_1"], "forward", refuse)
    assert list(network.features(torch.rand(1, 3, 16, 16), ["conv1_2"])) == ["conv1_2"]


def test_unknown_layers_and_too_small_pictures_are_refused(network):
    with pytest.raises(GessoError, match=r"conv9_9.*conv1_1"):
        network.features(torch.rand(1, 3, 16, 16), ["conv9_9"])
    with pytest.raises(GessoError, match="at least 4"):
        network.features(torch.rand(1, 3, 16, 3))


def test_logits_come_from_the_pooled_features(network):
    x = torch.rand(2, 3, 16, 16)
    assert network.pooled(x).shape == (2, 8)
    assert torch.allclose(network(x), network.head(network.pooled(x)))


def test_standardised_filters_fold_into_a_plain_convolution():
    torch.manual_seed(0)
    conv = StandardConv2d(3, 6, 3, padding=1)
    folded = conv.folded_weight()
    assert torch.allclose(folded.mean((1, 2, 3)), torch.zeros(6), atol=1e-6)
    assert torch.allclose(folded.flatten(1).norm(dim=1), conv.gain, rtol=1e-2)
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(conv(x), F.conv2d(x, folded, conv.bias, padding=1))


def test_the_scale_of_features_is_stable_through_many_layers():
    """Neither dying nor growing: what standardising is for."""
    torch.manual_seed(0)
    taps = ConvNet(3, ((16, 4), (16, 4), (16, 4)), 2).features(torch.randn(4, 3, 32, 32).clamp(-1, 1))
    deviations = [float(tap.detach().std()) for tap in taps.values()]
    assert 0.1 < min(deviations) and max(deviations) < 3


def test_vgg19_matches_the_paper():
    with torch.device("meta"):
        network = vgg19()
    assert len(network.taps) == 16 and network.taps[-1] == "conv5_4" and network.num_features == 512
    assert sum(p.numel() for p in network.parameters()) == 20_024_384
    with pytest.raises(GessoError, match="no classifier"):
        network(torch.zeros(1, 3, 32, 32))
