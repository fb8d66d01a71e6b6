"""Style transfer by optimising pixels: the objective falls, both pictures matter, and memory is checked first."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from gesso.errors import GessoError
from gesso.families import optimise
from gesso.families.family import Inputs
from gesso.families.optimise import (
    PIXELS,
    PictureOptimiser,
    StyleTransfer,
    bytes_per_pixel,
    check_memory,
    equalising_factors,
    free_memory,
    gram,
    layer_outputs,
    longest_side,
    relative_error,
    roughness,
    split_pictures,
)
from gesso.networks.convnet import ConvNet
from gesso.ports import Ports

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> ConvNet:
    torch.manual_seed(0)
    return ConvNet(3, ((8, 2), (8, 1)), 2).eval().requires_grad_(False)


def settings(**changes):
    usual = {"num_steps": 8, "style_weight": 10.0, "content_weight": 1.0, "smoothness": 0.1, "start": "content"}
    return SimpleNamespace(**usual | changes)


def two_pictures(num=1, size=(16, 20), seed=0) -> Ports:
    rng = torch.Generator().manual_seed(seed)
    spatial = torch.rand(num, 8, *size, generator=rng) * 2 - 1
    spatial[:, 3] = 1
    spatial[:, 7] = 0
    spatial[:, 7, :12, :9] = 1  # the style fills a corner
    spatial[:, 4:7] *= spatial[:, 7:]
    return Ports(spatial=spatial)


def run(network, ports, seed=0, items=(0,), **changes):
    shape = (len(items), 3, *ports.spatial.shape[-2:])
    family = StyleTransfer("conv2_1", ("conv1_1", "conv2_1"))
    return list(
        family.fit({"features": network}, Inputs(ports, ports, shape, items), torch.Generator().manual_seed(seed), settings(**changes))
    )


def test_the_objective_falls_at_every_step(network):
    outputs = run(network, two_pictures())
    mean_terms = [o.taps["objective"] for o in outputs[:-1]]
    assert len(mean_terms) == 9 and [o.step for o in outputs] == [*range(9), 8]
    assert all(later["all"] <= earlier["all"] for earlier, later in pairwise(mean_terms))
    assert mean_terms[-1]["all"] < 0.5 * mean_terms[0]["all"]
    for row in mean_terms:
        assert row["all"] == pytest.approx(row["content"] + row["style"] + row["smoothness"], rel=1e-4)
    assert mean_terms[0]["content"] == pytest.approx(0, abs=1e-9), "it starts from the content"
    assert outputs[-1].final and outputs[-1].media["image"].abs().max() <= 1


def test_the_current_picture_is_not_evaluated_twice():
    calls = []

    def objective(x):
        calls.append(1)
        return {"all": (x - 1).square().sum()}

    descent = PictureOptimiser(objective, torch.zeros(1, 3, 2, 2))
    descent.evaluate()
    assert len(calls) == 1
    values = [descent.step()["all"] for _ in range(3)]
    assert values[-1] < 1e-6 and len(calls) <= 1 + 3 * 4


def test_both_pictures_and_all_weights_change_the_result(network):
    usual = run(network, two_pictures())[-1].media["image"]
    other = two_pictures()
    other.spatial[:, 4:7] *= -1
    assert (run(network, other)[-1].media["image"] - usual).abs().max() > 0.01
    for changes in ({"style_weight": 1.0}, {"content_weight": 30.0}, {"smoothness": 3.0}, {"start": "noise"}):
        assert (run(network, two_pictures(), **changes)[-1].media["image"] - usual).abs().max() > 0.01, changes
    assert torch.equal(run(network, two_pictures())[-1].media["image"], usual)


def test_the_starting_noise_depends_on_the_seed(network):
    one, two = (run(network, two_pictures(), seed=s, start="noise", num_steps=2)[-1].media["image"] for s in (1, 2))
    assert not torch.equal(one, two)


def test_items_are_optimised_independently(network):
    ports = two_pictures(2)
    both = run(network, ports, items=(0, 1), num_steps=3)[-1].media["image"]
    second = run(network, Ports(spatial=ports.spatial[1:]), items=(1,), num_steps=3)[-1].media["image"]
    assert torch.allclose(both[1], second[0], atol=1e-4)


def test_the_style_is_cropped_to_its_rectangle():
    content, styles = split_pictures(two_pictures(), CPU)
    assert content.shape == (1, 3, 16, 20) and styles[0].shape == (1, 3, 12, 9)


def test_a_missing_style_or_a_single_picture_is_refused():
    ports = two_pictures()
    ports.spatial[:, 7] = 0
    with pytest.raises(GessoError, match="no style"):
        split_pictures(ports, CPU)
    with pytest.raises(GessoError, match="two pictures"):
        split_pictures(Ports(vector=torch.zeros(1, 1)), CPU)


def test_an_unknown_layer_is_named(network):
    family = StyleTransfer("conv4_2", ("conv1_1",))
    ports = two_pictures()
    with pytest.raises(GessoError, match="conv4_2"):
        next(family.fit({"features": network}, Inputs(ports, ports, (1, 3, 16, 20)), torch.Generator(), settings()))


def test_the_gram_matrix_is_a_mean_over_positions():
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(gram(x)[1], sum(torch.outer(x[1, :, i, j], x[1, :, i, j]) for i in range(4) for j in range(5)) / 20, atol=1e-5)
    assert torch.allclose(gram(x.repeat(1, 1, 2, 1)), gram(x), atol=1e-5), "the size does not matter"


def test_filters_of_different_scale_count_equally():
    one, other = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 6, 6)
    loud = torch.tensor([1.0, 50.0, 1.0])[None, :, None, None]
    scaled = one * loud * equalising_factors(one * loud, other * loud)
    assert scaled.mean((0, 2, 3)).max() < 1.5
    assert torch.isfinite(equalising_factors(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 3, 3))).all()


def test_the_pixels_can_be_a_style_layer(network):
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    taps = layer_outputs(network, x, {PIXELS, "conv1_1"})
    assert set(taps) == {PIXELS, "conv1_1"} and taps[PIXELS].shape == (1, 4, 8, 8)
    matrix = gram(taps[PIXELS])[0]
    assert torch.allclose(matrix[:3, 3], ((x + 1) / 2).mean((0, 2, 3)), atol=1e-5), "the mean colour is in it"


def test_the_pixel_layer_transfers_the_styles_colours(network):
    ports = two_pictures()
    ports.spatial[:, 4:7] = torch.tensor([0.8, -0.8, -0.8])[:, None, None]
    ports.spatial[:, 4:7] *= ports.spatial[:, 7:]
    family = StyleTransfer("conv2_1", (PIXELS, "conv1_1"))
    chosen = settings(style_weight=1000.0, num_steps=20)
    *_, last = family.fit({"features": network}, Inputs(ports, ports, (1, 3, 16, 20)), torch.Generator(), chosen)
    red, green, blue = last.media["image"].mean((0, 2, 3)).tolist()
    assert red > green + 0.5 and red > blue + 0.5


def test_relative_error_roughness_and_longest_side():
    assert relative_error(torch.zeros(1, 3), torch.ones(1, 3)) == 1 and relative_error(torch.ones(1, 3), torch.ones(1, 3)) == 0
    assert torch.isfinite(relative_error(torch.ones(1, 3), torch.zeros(1, 3)))
    assert roughness(torch.ones(1, 3, 4, 4)) == 0
    assert roughness(torch.arange(4.0).expand(1, 1, 4, 4)) == 1
    assert [longest_side(p, 100) for p in ((50, 200), (200, 50), (7, 7), (1, 500))] == [(25, 100), (100, 25), (100, 100), (8, 100)]


def test_a_too_large_picture_is_refused_with_a_size_that_fits(network, monkeypatch):
    names = {"conv1_1", "conv2_1"}
    monkeypatch.setattr(optimise, "free_memory", lambda device: 1_000_000_000)
    with pytest.raises(GessoError, match="free") as caught:
        check_memory(network, names, (3000, 4000), CPU)
    fits = int(caught.value.fix.split()[-1])
    assert caught.value.where == "size" and 64 < fits < 4000
    check_memory(network, names, (fits * 3 // 4, fits), CPU)
    with pytest.raises(GessoError):
        check_memory(network, names, (fits * 3 // 4 + 24, fits + 32), CPU)
    monkeypatch.setattr(optimise, "free_memory", lambda device: 1_000_000)
    with pytest.raises(GessoError, match="close other programs"):
        check_memory(network, names, (16, 16), CPU)
    monkeypatch.setattr(optimise, "free_memory", lambda device: None)
    check_memory(network, names, (30000, 40000), CPU)


def test_the_memory_estimate_grows_with_the_network(network):
    names = {"conv1_1", "conv2_1"}
    wide = ConvNet(3, ((32, 2), (32, 1)), 2).requires_grad_(False)
    least = 3 * 8 * 4  # three layers of eight channels
    assert bytes_per_pixel(network, names, CPU) > least
    assert bytes_per_pixel(wide, names, CPU) > 2 * bytes_per_pixel(network, names, CPU) - 600  # the history is the same
    free = free_memory(CPU)
    assert free is None or free > 0
