"""With its cache the writer gives the logits that it gives at once; it looks back alone; words reach it."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.code_writer import CodeWriter
from gesso.networks.text_encoder import TextEncoder
from gesso.ports import Ports, Tokens

NUM, GRID = 20, (3, 4)


def writer(causal: bool = True) -> CodeWriter:
    torch.manual_seed(0)
    return CodeWriter(NUM, GRID, TextEncoder(30, 6, 16, 1, 2, 8), 32, 3, 4, causal=causal).eval()


def words(*rows: tuple[int, ...]) -> Ports:
    ids = torch.tensor([row + (0,) * (6 - len(row)) for row in rows])
    return Ports(tokens=Tokens(torch.zeros(*ids.shape, 0), ids > 0, ids=ids))


TOLD = words((3, 4, 5), (9,))


def test_with_the_cache_it_gives_the_same_logits():
    network, ids = writer(), torch.randint(NUM, (2, 12))
    whole = network(ids, TOLD)
    memory = network.begin(TOLD, 2)
    steps = [network.step(memory, None if place == 0 else ids[:, place - 1]) for place in range(12)]
    assert torch.allclose(torch.stack(steps, 1), whole, atol=1e-5) and memory.length == 12


def test_it_looks_back_alone():
    network, ids = writer(), torch.randint(NUM, (1, 12))
    other = ids.clone()
    other[0, 7] = (ids[0, 7] + 1) % NUM
    one, two = network(ids, words((3,))), network(other, words((3,)))
    assert torch.equal(one[:, :8], two[:, :8]) and not torch.allclose(one[:, 8], two[:, 8])


def test_without_order_it_looks_everywhere():
    network, ids = writer(causal=False), torch.full((1, 12), NUM)
    other = ids.clone()
    other[0, 7] = 3
    assert (network(ids, words((3,))) - network(other, words((3,)))).abs().amax(-1).min() > 0


def test_words_and_no_words_reach_it():
    network, ids = writer(), torch.randint(NUM, (2, 12))
    assert not torch.allclose(network(ids, TOLD), network(ids, words((3, 4, 6), (10,))), atol=1e-4)
    assert not torch.allclose(network(ids, TOLD), network(ids, words((), ())), atol=1e-4)
    with pytest.raises(ValueError, match="rows"):
        network.begin(TOLD, 4)
