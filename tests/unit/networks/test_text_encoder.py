"""Text encoders: padding and neighbours in a batch change nothing, order does, and another model of texts fits in the same place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gesso.conditions.words import Words
from gesso.networks.pair_logits import PairLogits
from gesso.networks.text_encoder import Sentences, TextEncoder
from gesso.ports import Frame, Tokens


def tokens(*texts: str | None, vocabulary: object = (), length: int = 24) -> Tokens:
    options = {"vocabulary": vocabulary, "length": length}
    ports = Words.encode([None if one is None else Words(text=one) for one in texts], Frame(options=options))
    assert ports.tokens is not None
    return ports.tokens


@pytest.fixture
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(Words.sizes({}).vocabulary, 24, width=32, depth=2, heads=4, out=16).eval()


def test_a_text_is_the_same_alone_and_beside_a_longer_one(encoder: TextEncoder):
    alone, both = encoder(tokens("red cat")), encoder(tokens("red cat", "a very long caption"))
    assert torch.allclose(alone.vector, both.vector[:1], atol=1e-5)
    assert torch.allclose(alone.tokens.values, both.tokens.values[:1], atol=1e-5)
    assert both.tokens.values.shape == (2, 24, 32) and both.tokens.ids is None and both.vector.shape == (2, 16)
    assert (both.tokens.values[~both.tokens.mask] == 0).all(), "padding has no values"


def test_order_and_words_matter(encoder: TextEncoder):
    one, two, three = encoder(tokens("red cat", "cat red", "blue cat")).vector
    assert (one - two).abs().max() > 1e-4 and (one - three).abs().max() > 1e-4


def test_no_text_has_an_output_of_its_own_and_a_token_to_attend_to(encoder: TextEncoder):
    ports = encoder(tokens(None, "cat"))
    assert torch.isfinite(ports.vector).all() and (ports.vector[0] - ports.vector[1]).abs().max() > 1e-3
    assert ports.tokens.mask.sum(1).tolist() == [1, 6]
    ports.vector.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters() if p.grad is not None)


def test_another_model_reads_the_text_as_it_was_given():
    seen: list[str] = []

    def lengths(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(one), one.count("A")] for one in texts], np.float64)

    ports = Sentences(lengths, 2)(tokens("Ein Apfel: Ä", None, vocabulary="bytes", length=48))
    assert seen == ["Ein Apfel: Ä", ""] and ports.vector.tolist() == [[12, 1], [0, 0]]
    assert ports.tokens.values.shape == (2, 1, 2) and ports.tokens.mask.all() and not list(Sentences(lengths, 2).parameters())
    with pytest.raises(ValueError, match=r"gives \(1, 2\) for 1 texts, not \(1, 3\)"):
        Sentences(lengths, 3)(tokens("a", vocabulary="bytes"))


def test_logits_begin_where_the_papers_say_and_the_temperature_has_a_limit():
    sigmoid, softmax = PairLogits(), PairLogits(scale=1 / 0.07, bias=None)
    cosine = torch.tensor([1.0, 0.0])
    assert sigmoid(cosine).tolist() == pytest.approx([0, -10], abs=1e-5)
    assert softmax(cosine).tolist() == pytest.approx([1 / 0.07, 0], rel=1e-5)
    with torch.no_grad():
        softmax.log_scale.add_(9)
    assert softmax(cosine).tolist() == pytest.approx([100, 0], rel=1e-5)
    assert len(list(sigmoid.parameters())) == 2 and len(list(softmax.parameters())) == 1
