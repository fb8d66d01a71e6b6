"""Evidence lies where the class is, whatever the grad mode, for the named class or the likeliest; the mirror image counts as much."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gesso.conditions.label import Label
from gesso.datasets.cifar import Patterns
from gesso.families.explained import Explained, class_evidence, explanation
from gesso.families.family import Inputs, Output
from gesso.ports import Frame, Ports, join

CLASSES = ("red", "green", "blue")


class Colours(nn.Module):
    """A class's logit is the mean of its colour."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def maps(self, x):
        return torch.nn.functional.avg_pool2d((x + 1) / 2, 4)

    def logits_of(self, maps):
        return self.gain * 10 * maps.mean((-2, -1))

    def forward(self, x):
        return self.logits_of(self.maps(x))


class Looks(Colours):
    def attention(self, x):
        return self.maps(x).sum(1, keepdim=True)


def picture():
    """Black, with much red at the top left and some blue at the bottom right."""
    x = torch.full((1, 3, 32, 32), -1.0)
    x[0, 0, :16, :16] = 1
    x[0, 2, 24:, 24:] = 1
    return x


def inputs(x, name=None):
    spatial = Ports(spatial=torch.cat([x, torch.ones_like(x[:, :1])], 1))
    label = Label.encode([name and Label(name=name)] * len(x), Frame().with_options({"classes": CLASSES}))
    ports = join([spatial, label])
    return Inputs(ports, ports, tuple(x.shape))


def sampled(family, network, given):
    (output,) = family.sample({"classifier": network}, given, torch.Generator(), None)
    return output.media


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize(("name", "top", "left"), [(None, 0, 0), ("red", 0, 0), ("blue", 16, 16)])
def test_evidence_lies_where_the_class_is(mode, name, top, left):
    network = Colours()
    with mode():
        media = sampled(Explained(), network, inputs(picture(), name))
    evidence = media["evidence"][0, 0]
    assert evidence.shape == (32, 32) and evidence.max() == 1 and evidence.min() >= 0
    assert evidence[top : top + 16, left : left + 16].sum() > 0.9 * evidence.sum()
    assert media["probability"].argmax(1).item() == 0, "naming a class changes no probability"
    assert network.gain.grad is None


def test_no_evidence_is_told_as_none():
    media = sampled(Explained(), Colours(), inputs(picture(), "green"))
    assert media["evidence"].abs().max() == 0


def test_the_mirror_image_counts_as_much():
    class Left(Colours):
        def maps(self, x):
            return super().maps(x)[..., :4]

    x = picture()
    one, other = (sampled(Explained(), Left(), inputs(view)) for view in (x, x.flip(-1)))
    assert torch.allclose(one["logits"], other["logits"])
    assert torch.allclose(one["evidence"], other["evidence"].flip(-1), atol=1e-6)
    assert torch.allclose(Explained().read(Left(), x), one["logits"])
    alone = Explained(views=False)
    assert not torch.allclose(sampled(alone, Left(), inputs(x))["logits"], sampled(alone, Left(), inputs(x.flip(-1)))["logits"])


def test_attention_is_an_output_of_networks_that_attend():
    assert "attention" not in sampled(Explained(), Colours(), inputs(picture()))
    media = sampled(Explained(), Looks(), inputs(picture()))
    assert media["attention"].shape == (1, 1, 32, 32) and media["attention"].max() == 1


def test_evidence_is_of_each_item_alone():
    x = torch.cat([picture(), picture().flip(-1)])
    network = Colours()
    both = class_evidence(network, network.maps(x), torch.tensor([0, 2]))
    alone = class_evidence(network, network.maps(x[1:]), torch.tensor([2]))
    assert torch.allclose(both[1:], alone, atol=1e-6)


def test_the_explanation_has_the_pictures_size():
    media = {"probability": torch.tensor([[0.1, 0.7, 0.2]]), "evidence": torch.zeros(1, 1, 8, 8)}
    media["evidence"][..., :4, :4] = 1
    page = np.full((50, 70, 4), 255, np.uint8)
    made = explanation(page, Output(media), CLASSES)
    assert made["label"] == "green" and made["evidence"].shape == (50, 70, 3)
    assert made["evidence"][5, 5].tolist() != [255, 255, 255] and made["evidence"][-1, -1].tolist() == [255, 255, 255]


def test_a_network_begins_from_the_datas_pictures():
    class Begins(Colours):
        seen: tuple[int, ...] = ()

        def begin(self, pictures):
            self.seen = tuple(pictures.shape)

    network = Begins()
    Explained().prepare({"classifier": network}, Patterns(30), torch.Generator().manual_seed(0))
    assert network.seen == (30, 3, 32, 32)
