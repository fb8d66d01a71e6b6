"""Handles are the directions that change styles most; mixing and truncation do what they say."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from gesso.conditions.handles import Handles
from gesso.families.adversarial.style_latent import StyleLatent, directions, style_weights
from gesso.families.family import Batch, Inputs
from gesso.networks.stylegan2 import MappingNetwork, Synthesis
from gesso.ports import Frame, Ports, join

OPTIONS = {"num": 4, "reach": 5.0}


def networks() -> dict[str, torch.nn.Module]:
    torch.manual_seed(0)
    return {"mapping": MappingNetwork(8, 16).eval(), "synthesis": Synthesis(3, (16, 16, 8), 16).eval()}


def shown(made: dict[str, torch.nn.Module], amounts: tuple[float, ...] | None = None, **settings: float) -> torch.Tensor:
    value = None if amounts is None else Handles(amounts=amounts)
    ports = join([Handles.encode([value], Frame(options=OPTIONS))], ["handles"])
    chosen = SimpleNamespace(**{"truncation": 1.0, "mix_seed": -1, "mix_from": 2} | settings)
    latent = StyleLatent(8)
    with torch.no_grad():
        (out,) = latent.show(made, Inputs(ports, ports, (1, 3, 16, 16)), torch.Generator().manual_seed(7), chosen)
    return out.media["image"]


def test_directions_change_styles_in_order_and_are_orthogonal():
    synthesis = networks()["synthesis"]
    axes = directions(synthesis, 4)
    assert torch.allclose(axes @ axes.T, torch.eye(4), atol=1e-5)
    change = (torch.cat(style_weights(synthesis)) @ axes.T).norm(dim=0)
    assert (change.diff() <= 1e-4).all()
    others = torch.nn.functional.normalize(torch.randn(50, 16), dim=1)
    assert (torch.cat(style_weights(synthesis)) @ others.T).norm(dim=0).max() <= change[0] + 1e-4


def test_a_handle_moves_the_picture_and_none_leaves_it():
    made = networks()
    still = shown(made)
    assert torch.equal(shown(made, (0.0, 0.0)), still)
    near, far = ((shown(made, (amount,)) - still).abs().mean() for amount in (0.5, 3.0))
    assert 0 < near < far


def test_a_second_seed_mixes_and_truncation_ends_at_the_mean():
    made = networks()
    assert not torch.equal(shown(made, mix_seed=3), shown(made))
    assert torch.equal(shown(made, mix_seed=7), shown(made)), "mixed with itself"
    made["mapping"].mean.normal_()
    typical = made["synthesis"](made["mapping"].mean[None])
    assert torch.allclose(shown(made, truncation=0.0), typical, atol=1e-5)


def test_mixing_in_training_uses_both_latents():
    made, latent = networks(), StyleLatent(8, mixing=1.0)
    batch = Batch({"image": torch.zeros(6, 3, 16, 16)}, Ports(), torch.arange(6))
    ws = latent.play(made, batch, torch.Generator().manual_seed(1))["ws"]
    assert ws.shape == (6, 5, 16) and all(not torch.equal(row[0], row[-1]) for row in ws)
