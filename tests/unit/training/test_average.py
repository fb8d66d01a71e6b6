"""The weight average follows the weights, faster at first; buffers are copied."""

from __future__ import annotations

import torch
from torch import nn

from gesso.training.average import Average


def test_the_decay_of_the_average_grows_to_its_limit() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    average = Average({"net": network}, 0.9)
    own = average.networks["net"]
    assert not own.training and not any(p.requires_grad for p in own.parameters())
    wanted = network[0].weight.detach().clone()
    for step in range(200):
        with torch.no_grad():
            network[0].weight.add_(0.1)
            network[1].running_mean.add_(1.0)
            network[1].num_batches_tracked.add_(1)
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * network[0].weight.detach()
        average.update(step)
    assert torch.allclose(own[0].weight, wanted, rtol=1e-5)
    assert not torch.equal(own[0].weight, network[0].weight)
    assert own[1].running_mean == 200 and own[1].num_batches_tracked == 200


def test_the_average_follows_networks_that_were_restored() -> None:
    network = nn.Linear(2, 2)
    average = Average({"net": network}, 0.5)
    network.load_state_dict(nn.Linear(2, 2).state_dict())
    for step in range(100):
        average.update(step)
    assert torch.allclose(average.networks["net"].weight, network.weight)
