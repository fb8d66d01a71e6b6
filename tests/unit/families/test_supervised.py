"""Supervised learning: the loss, the accuracy and the named classes of a sample."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gesso.families.family import Batch, Inputs, Output, Phase
from gesso.families.supervised import Supervised, classification, picture_of
from gesso.ports import Ports


class Reads(nn.Module):
    """Logits are the picture's first pixel per channel; the validity channel would be a fourth."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def forward(self, x):
        assert x.shape[1] == 3
        return self.gain * 10 * x[:, :, 0, 0]

    def features(self, x):
        return {"first": x}


def ports(labels):
    spatial = torch.zeros(len(labels), 4, 2, 2)
    for row, label in zip(spatial, labels, strict=True):
        row[label] = 1
    return Ports(spatial=spatial)


def test_loss_and_accuracy():
    batch = Batch({"label": torch.tensor([0, 1, 2, 2])}, ports([0, 1, 2, 0]), torch.arange(4))
    loss = Supervised().loss(Phase("classify", ("classifier",)), {"classifier": Reads()}, batch, nn.Module(), 0, torch.Generator())
    right = math.log(1 + 2 * math.exp(-10))
    assert loss.value.tolist() == pytest.approx([right] * 3 + [10 + right], abs=1e-4)
    assert float(loss.logs["accuracy"]) == 0.75
    loss.value.mean().backward()


def test_a_sample_has_probabilities_and_taps():
    (output,) = Supervised().sample({"classifier": Reads()}, Inputs(ports([1]), ports([1]), (1, 3, 2, 2)), torch.Generator(), None)
    assert output.final and float(output.media["probability"].detach().sum()) == pytest.approx(1)
    assert classification(output, ("a", "b", "c"))["label"] == "b"
    assert list(classification(output, ("a", "b", "c"))["probability"]) == ["a", "b", "c"]
    assert output.taps["first"].shape == (1, 3, 2, 2)


def test_the_classification_needs_one_name_per_class():
    with pytest.raises(ValueError):
        classification(Output({"probability": torch.ones(1, 3) / 3}), ("a", "b"))


def test_a_card_without_a_picture_is_refused():
    with pytest.raises(ValueError, match="needs a picture"):
        picture_of(Ports(vector=torch.zeros(1, 2)))
