"""FSRCNN and SPAN: sizes, parameters, reach, and that tiles have the bits of the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gesso.networks import subpixel
from gesso.networks.fsrcnn import FSRCNN
from gesso.networks.span import SPAN
from gesso.networks.subpixel import SLOWER, Deconvolution, Upscaler


def trained(network: Upscaler) -> Upscaler:
    """With heads that matter: they begin near 0."""
    torch.manual_seed(3)
    for head in network.heads.parameters():  # type: ignore[union-attr]
        torch.nn.init.normal_(head, std=0.05)
    return network.eval()


def small() -> list[Upscaler]:
    torch.manual_seed(0)
    return [trained(FSRCNN(8, 4, 2)), trained(SPAN(8, 2))]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_deconvolution_is_torchs(scale: int):
    torch.manual_seed(0)
    layer = Deconvolution(5, scale)
    torch.nn.init.normal_(layer.weight)
    x = torch.randn(2, 5, 6, 7)
    extra = scale - layer.size + 2 * layer.padding
    wanted = F.conv_transpose2d(x, SLOWER * layer.weight, layer.bias, stride=scale, padding=layer.padding, output_padding=extra)
    assert torch.allclose(F.pixel_shuffle(layer(x), scale), wanted, atol=1e-5)


def test_parameters_are_the_papers():
    """Table 1 of FSRCNN: 12,464 weights of one scale for (56, 12, 4); SPAN is held to 250 thousand."""
    network = FSRCNN()
    weights = sum(p.numel() for p in network.body.parameters() if p.ndim == 4) + network.heads["3"].weight.numel()
    assert weights == 12464
    assert sum(p.numel() for p in SPAN().parameters()) <= 250_000
    assert 2 * sum(p.numel() for p in SPAN().parameters()) <= 500_000, "half precision, all scales in one file"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_output_pixel_reads_no_further_than_the_reach(scale: int):
    for network in small():
        x = torch.rand(1, 1, 2 * network.reach + 5, 2 * network.reach + 5, requires_grad=True)
        middle = network.reach + 2
        network(x, scale)[0, 0, middle * scale : (middle + 1) * scale, middle * scale : (middle + 1) * scale].sum().backward()
        seen = x.grad[0, 0].nonzero()
        assert seen.min() >= middle - network.reach and seen.max() <= middle + network.reach, type(network).__name__


def test_tiles_have_the_bits_of_the_whole(monkeypatch: pytest.MonkeyPatch):
    x = torch.rand(1, 1, 70, 90)
    with torch.inference_mode():
        for network in small():
            whole = network.enlarged(x, 2)
            assert whole.shape == (1, 1, 140, 180)
            monkeypatch.setattr(subpixel, "TILE", (32, 24))
            levels = [torch.round(255 * one) for one in (whole, network.enlarged(x, 2))]
            assert torch.equal(*levels), type(network).__name__
            monkeypatch.setattr(subpixel, "TILE", (270, 480))


def test_a_flat_picture_stays_flat_at_its_border():
    for network in small():
        made = network.enlarged(torch.full((1, 1, 12, 12), 0.4), 3)
        assert (made - made[..., 18:21, 18:21].repeat(1, 1, 12, 12)).abs().max() < 1e-5
