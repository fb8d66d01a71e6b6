"""Style by optimising pixels: the objective falls, both pictures matter, memory is asked for before it is taken."""

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
    Descent,
    Repaint,
    bytes_a_pixel,
    check_memory,
    evened,
    free_memory,
    gram,
    longest_side,
    pictures_of,
    relative_error,
    roughness,
    taps_of,
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
    family = Repaint("conv2_1", ("conv1_1", "conv2_1"))
    return list(
        family.sample({"features": network}, Inputs(ports, ports, shape, items), torch.Generator().manual_seed(seed), settings(**changes))
    )


def test_the_objective_falls_at_every_step(network):
    outputs = run(network, two_pictures())
    told = [o.taps["objective"] for o in outputs[:-1]]
    assert len(told) == 9 and [o.step for o in outputs] == [*range(9), 8]
    assert all(later["all"] <= earlier["all"] for earlier, later in pairwise(told))
    assert told[-1]["all"] < 0.5 * told[0]["all"]
    for row in told:
        assert row["all"] == pytest.approx(row["content"] + row["style"] + row["smoothness"], rel=1e-4)
    assert told[0]["content"] == pytest.approx(0, abs=1e-9), "it starts from the content"
    assert outputs[-1].final and outputs[-1].media["image"].abs().max() <= 1


def test_where_it_stands_is_not_evaluated_twice():
    calls = []

    def objective(x):
        calls.append(1)
        return {"all": (x - 1).square().sum()}

    descent = Descent(objective, torch.zeros(1, 3, 2, 2))
    descent.begin()
    assert len(calls) == 1
    values = [descent.step()["all"] for _ in range(3)]
    assert values[-1] < 1e-6 and len(calls) <= 1 + 3 * 4


def test_both_pictures_and_all_weights_decide(network):
    usual = run(network, two_pictures())[-1].media["image"]
    other = two_pictures()
    other.spatial[:, 4:7] *= -1
    assert (run(network, other)[-1].media["image"] - usual).abs().max() > 0.01
    for changes in ({"style_weight": 1.0}, {"content_weight": 30.0}, {"smoothness": 3.0}, {"start": "noise"}):
        assert (run(network, two_pictures(), **changes)[-1].media["image"] - usual).abs().max() > 0.01, changes
    assert torch.equal(run(network, two_pictures())[-1].media["image"], usual)


def test_noise_is_by_seed(network):
    one, two = (run(network, two_pictures(), seed=s, start="noise", num_steps=2)[-1].media["image"] for s in (1, 2))
    assert not torch.equal(one, two)


def test_items_do_not_meet(network):
    ports = two_pictures(2)
    both = run(network, ports, items=(0, 1), num_steps=3)[-1].media["image"]
    second = run(network, Ports(spatial=ports.spatial[1:]), items=(1,), num_steps=3)[-1].media["image"]
    assert torch.allclose(both[1], second[0], atol=1e-4)


def test_the_style_is_cut_to_what_it_fills():
    content, styles = pictures_of(two_pictures(), CPU)
    assert content.shape == (1, 3, 16, 20) and styles[0].shape == (1, 3, 12, 9)


def test_no_style_and_one_picture_are_refused():
    ports = two_pictures()
    ports.spatial[:, 7] = 0
    with pytest.raises(GessoError, match="no style"):
        pictures_of(ports, CPU)
    with pytest.raises(GessoError, match="two pictures"):
        pictures_of(Ports(vector=torch.zeros(1, 1)), CPU)


def test_a_layer_the_features_do_not_have_is_named(network):
    family = Repaint("conv4_2", ("conv1_1",))
    ports = two_pictures()
    with pytest.raises(GessoError, match="conv4_2"):
        next(family.sample({"features": network}, Inputs(ports, ports, (1, 3, 16, 20)), torch.Generator(), settings()))


def test_gram_is_the_mean_over_places():
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(gram(x)[1], sum(torch.outer(x[1, :, i, j], x[1, :, i, j]) for i in range(4) for j in range(5)) / 20, atol=1e-5)
    assert torch.allclose(gram(x.repeat(1, 1, 2, 1)), gram(x), atol=1e-5), "the size does not matter"


def test_filters_count_alike_however_loud_they_are():
    one, other = torch.rand(1, 3, 4, 4), torch.rand(1, 3, 6, 6)
    loud = torch.tensor([1.0, 50.0, 1.0])[None, :, None, None]
    scaled = one * loud * evened(one * loud, other * loud)
    assert scaled.mean((0, 2, 3)).max() < 1.5
    assert torch.isfinite(evened(torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 3, 3))).all()


def test_the_picture_itself_can_be_a_layer(network):
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    taps = taps_of(network, x, {PIXELS, "conv1_1"})
    assert set(taps) == {PIXELS, "conv1_1"} and taps[PIXELS].shape == (1, 4, 8, 8)
    matrix = gram(taps[PIXELS])[0]
    assert torch.allclose(matrix[:3, 3], ((x + 1) / 2).mean((0, 2, 3)), atol=1e-5), "the mean colour is in it"


def test_colours_follow_the_style(network):
    ports = two_pictures()
    ports.spatial[:, 4:7] = torch.tensor([0.8, -0.8, -0.8])[:, None, None]
    ports.spatial[:, 4:7] *= ports.spatial[:, 7:]
    family = Repaint("conv2_1", (PIXELS, "conv1_1"))
    chosen = settings(style_weight=1000.0, num_steps=20)
    *_, last = family.sample({"features": network}, Inputs(ports, ports, (1, 3, 16, 20)), torch.Generator(), chosen)
    red, green, blue = last.media["image"].mean((0, 2, 3)).tolist()
    assert red > green + 0.5 and red > blue + 0.5


def test_small_measures():
    assert relative_error(torch.zeros(3), torch.ones(3)) == 1 and relative_error(torch.ones(3), torch.ones(3)) == 0
    assert torch.isfinite(relative_error(torch.ones(3), torch.zeros(3)))
    assert roughness(torch.ones(1, 3, 4, 4)) == 0
    assert roughness(torch.arange(4.0).expand(1, 1, 4, 4)) == 1
    assert [longest_side(p, 100) for p in ((50, 200), (200, 50), (7, 7), (1, 500))] == [(25, 100), (100, 25), (100, 100), (8, 100)]


def test_too_large_is_refused_before_it_starts_and_names_a_size_that_fits(network, monkeypatch):
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


def test_the_estimate_grows_with_the_network(network):
    names = {"conv1_1", "conv2_1"}
    wide = ConvNet(3, ((32, 2), (32, 1)), 2).requires_grad_(False)
    least = 3 * 8 * 4  # three layers of eight channels
    assert bytes_a_pixel(network, names, CPU) > least
    assert bytes_a_pixel(wide, names, CPU) > 2 * bytes_a_pixel(network, names, CPU) - 600  # the history is the same
    free = free_memory(CPU)
    assert free is None or free > 0
