"""CaptionDecoder: what is written piece by piece is what is scored at once, and nothing looks ahead."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.caption_decoder import CaptionDecoder


@pytest.fixture
def decoder() -> CaptionDecoder:
    torch.manual_seed(0)
    return CaptionDecoder(50, 12, width=32, depth=2, heads=4, context=6, about=3, dropout=0.1).eval()


def seen(num: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(num, 9, 6, generator=rng), torch.randn(num, 3, generator=rng)


def test_cached_steps_are_the_whole_text_at_once(decoder: CaptionDecoder):
    ids = torch.randint(0, 50, (3, 12), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole = decoder(ids, *seen())
        memory = decoder.begin(*seen())
        steps = torch.stack([decoder.step(memory, ids[:, at]) for at in range(12)], 1)
    assert (whole - steps).abs().max() < 1e-5


def test_nothing_looks_ahead_and_everything_looks_at_the_picture(decoder: CaptionDecoder):
    ids = torch.randint(0, 50, (1, 12), generator=torch.Generator().manual_seed(2))
    picture, about = seen(1)
    changed = ids.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 50
    one, two = decoder(ids, picture, about), decoder(changed, picture, about)
    assert torch.equal(one[:, :6], two[:, :6]) and not torch.allclose(one[:, 6:], two[:, 6:])
    for other in ((picture + 1, about), (picture, about + 1)):
        assert ((decoder(ids, *other) - one).abs().amax((0, 2)) > 1e-5).all()
