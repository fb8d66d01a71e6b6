"""A codec gives pictures back at their size, learns through its bottleneck, and its codes say what its latents are."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.codec import Codebook, Gaussian, PictureCodec


@pytest.mark.parametrize("num_codes", [0, 32])
@pytest.mark.parametrize("size", [(16, 16), (13, 22), (1, 5)])
def test_a_picture_comes_back_at_its_size(num_codes: int, size: tuple[int, int]):
    torch.manual_seed(0)
    codec = PictureCodec((8, 16), 4, num_codes=num_codes)
    made, coded = codec(torch.rand(2, 3, *size) * 2 - 1)
    assert made.shape == (2, 3, *size) and coded.penalty.shape == (2,)
    assert coded.latents.shape == (2, 4, -(-size[0] // 4), -(-size[1] // 4))


def test_the_divergence_is_that_of_two_gaussians():
    mean, log_variance = torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3)
    coded = Gaussian(2)(torch.cat([mean, log_variance], 1))
    one = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    wanted = torch.distributions.kl_divergence(one, torch.distributions.Normal(0.0, 1.0)).mean((1, 2, 3))
    assert torch.allclose(coded.penalty, wanted, atol=1e-5) and torch.equal(coded.latents, mean)


def test_latents_are_drawn_with_noise_and_their_size_is_followed():
    bottleneck = Gaussian(2)
    x = torch.cat([3 * torch.randn(64, 2, 4, 4), torch.full((64, 2, 4, 4), -1.0)], 1)
    noise = torch.randn(64, 2, 4, 4)
    assert torch.allclose(bottleneck(x, noise).latents - x[:, :2], (torch.tensor(-0.5).exp()) * noise, atol=1e-6)
    for _ in range(600):
        bottleneck(x)
    assert float(bottleneck.size) == pytest.approx(3, rel=0.1)
    size = bottleneck.size.clone()
    bottleneck.eval()(x)
    assert torch.equal(bottleneck.size, size), "and only in training"


def test_a_code_is_the_nearest_and_gradients_pass_straight_through():
    torch.manual_seed(0)
    book = Codebook(4, 16)
    x = torch.randn(2, 4, 3, 3, requires_grad=True)
    coded = book(x)
    unit, codes = torch.nn.functional.normalize(x, dim=1), torch.nn.functional.normalize(book.codes, dim=1)
    apart = (unit[:, None] - codes[None, :, :, None, None]).square().sum(2)
    assert torch.equal(coded.ids, apart.argmin(1)) and torch.allclose(coded.latents, book.look_up(coded.ids), atol=1e-6)
    weight = torch.randn_like(coded.latents)
    (through,) = torch.autograd.grad((coded.latents * weight).sum(), x, retain_graph=True)
    (plain,) = torch.autograd.grad((torch.nn.functional.normalize(x, dim=1) * weight).sum(), x)
    assert torch.allclose(through, plain, atol=1e-6)
    coded.penalty.sum().backward()
    assert book.codes.grad is not None and (book.codes.grad.abs().sum(1) > 0).sum() == len(coded.ids.unique())


@pytest.mark.parametrize("num_codes", [0, 64])
def test_it_learns_a_few_pictures(num_codes: int):
    torch.manual_seed(0)
    codec = PictureCodec((16, 32), 6, depth=1, num_codes=num_codes)
    pictures = torch.nn.functional.interpolate(torch.rand(8, 3, 4, 4) * 2 - 1, size=16)
    adam = torch.optim.Adam(codec.parameters(), 3e-3)
    errors = []
    for _ in range(150):
        made, coded = codec(pictures)
        error = (made - pictures).square().mean()
        adam.zero_grad()
        (error + 1e-2 * coded.penalty.mean()).backward()
        adam.step()
        errors.append(float(error.detach()))
    assert errors[-1] < 0.2 * errors[0]
