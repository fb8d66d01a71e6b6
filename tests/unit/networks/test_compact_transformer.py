"""Tokens know their place, attention is a distribution over the picture, and the maps decide the logits."""

from __future__ import annotations

import torch

from gesso.networks.compact_transformer import CompactTransformer, SelfAttention


def network(**changed):
    torch.manual_seed(0)
    return CompactTransformer(3, 32, 5, **{"stem": (8, 16), "depth": 3, "num_heads": 2, **changed}).eval()


def test_the_maps_decide_the_logits():
    net, x = network(), torch.randn(2, 3, 32, 32)
    maps = net.maps(x)
    assert maps.shape == (2, 16, 7, 7)
    assert torch.equal(net.logits_of(maps), net(x)) and net(x).shape == (2, 5)


def test_attention_is_what_torchs_own_computes():
    layer, h = SelfAttention(16, 2), torch.randn(2, 9, 16)
    own = torch.nn.MultiheadAttention(16, 2, batch_first=True)
    with torch.no_grad():
        own.in_proj_weight.copy_(layer.read.weight)
        own.in_proj_bias.copy_(layer.read.bias)
        own.out_proj.weight.copy_(layer.write.weight)
        own.out_proj.bias.copy_(layer.write.bias)
    made, shares = own(h, h, h, average_attn_weights=False)
    assert torch.allclose(layer(h), made, atol=1e-5) and torch.allclose(layer.routes(h), shares, atol=1e-6)


def test_attention_shares_out_one_whole():
    net = network()
    shares = net.attention(torch.randn(3, 3, 32, 32))
    assert shares.shape == (3, 1, 7, 7) and (shares >= 0).all()
    assert torch.allclose(shares.sum((1, 2, 3)), torch.ones(3), atol=1e-5)


def test_positions_tell_a_picture_from_its_mirror_image():
    net = network()
    with torch.no_grad():
        net.places.normal_()
    x = torch.randn(1, 3, 32, 32)
    assert not torch.allclose(net.maps(x).flip(-1), net.maps(x.flip(-1)), atol=1e-3)


def test_the_pooling_learns_which_tokens_count():
    net = network()
    x = torch.randn(1, 3, 32, 32)
    maps = net.maps(x)
    even = net.logits_of(maps)
    with torch.no_grad():
        net.pool.weight.normal_()
    assert not torch.allclose(net.logits_of(maps), even)
