"""StyleGAN2's layers compute what the paper's equations say."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from gesso.networks.stylegan2 import MappingNetwork, ModulatedConv, StyleCritic, Synthesis, doubled, group_deviation, halved
from gesso.ports import Ports


def test_modulation_equals_a_kernel_for_each_item():
    torch.manual_seed(0)
    layer, x, w = ModulatedConv(5, 7, 3, 11), torch.randn(3, 5, 6, 6), torch.randn(3, 11)
    style = layer.style(w)
    kernels = layer.weight[None] * layer.scale * style[:, None, :, None, None]
    kernels = kernels * torch.rsqrt(kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    wanted = torch.cat([F.conv2d(x[i : i + 1], kernels[i], padding=1) for i in range(3)])
    assert torch.allclose(layer(x, style), wanted, atol=1e-5)


def test_demodulated_maps_keep_unit_variance():
    torch.manual_seed(1)
    layer = ModulatedConv(64, 64, 3, 16)
    out = layer(torch.randn(8, 64, 16, 16), layer.style(5 * torch.randn(8, 16)))
    assert 0.7 < out[..., 2:-2, 2:-2].var() < 1.3


def test_resampling_uses_one_three_three_one():
    row = torch.zeros(1, 1, 8, 8)
    row[..., 4, :] = 1.0
    assert torch.allclose(doubled(row)[0, 0, 7:11, 5], torch.tensor([0.25, 0.75, 0.75, 0.25]))
    assert torch.allclose(halved(row)[0, 0, :, 2], torch.tensor([0.0, 1 / 8, 3 / 8, 0.0]))


def test_deviation_of_equal_items_is_nothing():
    same = torch.randn(1, 3, 4, 4).expand(4, -1, -1, -1)
    assert group_deviation(same, 4).abs().max() < 1e-3
    assert group_deviation(torch.randn(4, 3, 4, 4), 4).mean() > 0.5
    assert group_deviation(torch.randn(6, 3, 4, 4), 4).shape == (6, 1, 4, 4), "groups that divide the batch"


def test_styles_of_two_latents_mix_by_layer():
    torch.manual_seed(2)
    mapping, synthesis = MappingNetwork(8, 16).eval(), Synthesis(3, (16, 16, 8), 16)
    z = torch.randn(2, 8)
    w = mapping(z, Ports())
    ws = w[:, None].expand(-1, synthesis.num_layers, -1).clone()
    same = synthesis(ws)
    assert same.shape == (2, 3, 16, 16) and torch.equal(same, synthesis(w))
    ws[:, 3:] = ws.flip(0)[:, 3:]
    assert not torch.allclose(synthesis(ws), same)
    noise = [torch.randn(2, 1, size, size) for size in synthesis.sizes]
    assert torch.equal(synthesis(w, noise), same), "noise starts without strength"


def test_styles_are_half_of_the_way_and_one_channel_can_be_moved():
    torch.manual_seed(5)
    synthesis = Synthesis(3, (16, 16, 8), 16)
    w = torch.randn(2, synthesis.num_layers, 16)
    styles = synthesis.styles(w)
    assert [one.shape[1] for one in styles] == [16, 16, 16, 16, 16, 16, 8, 8], "layer, colour, layer, layer, colour, …"
    assert torch.equal(synthesis.from_styles(styles), synthesis(w))
    styles[-1] = styles[-1] + torch.eye(8)[3]
    assert not torch.equal(synthesis.from_styles(styles), synthesis(w))


def test_mapping_remembers_the_mean_only_in_training():
    torch.manual_seed(3)
    mapping = MappingNetwork(8, 16)
    mapping.eval()(torch.randn(4, 8), Ports())
    assert mapping.mean.abs().sum() == 0
    mapping.train()(torch.randn(4, 8), Ports())
    assert mapping.mean.abs().sum() > 0


def test_the_critic_projects_a_class():
    torch.manual_seed(4)
    critic = StyleCritic(3, (16, 16, 8), given=5)
    picture, vector = torch.randn(4, 3, 16, 16), torch.eye(5)[:4]
    one, two = (critic(picture, Ports(vector=v)).logits[0] for v in (vector, vector.flip(0)))
    assert one.shape == (4, 1) and not torch.allclose(one, two)
