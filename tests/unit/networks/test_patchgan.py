"""Critics of patches at one and at several scales."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.patchgan import MultiScalePatchGAN, PatchGAN
from gesso.ports import Ports


@pytest.mark.parametrize(("h", "w"), [(32, 32), (33, 47)])
def test_each_scale_judges_its_own_size(h: int, w: int):
    picture = torch.rand(2, 3, h, w)
    one, two = PatchGAN(3, width=8)(picture, Ports()), MultiScalePatchGAN(3, width=8, scales=2)(picture, Ports())
    assert len(one.logits) == 1 and len(two.logits) == 2 and two.logits[0].shape == one.logits[0].shape
    assert two.logits[1].shape[-1] < two.logits[0].shape[-1] and len(two.features) == 2 * len(one.features)
