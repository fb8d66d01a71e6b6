"""A family asked twice gives mirrored answers to mirrored questions."""

import torch

from gesso.datasets.drawings import PALETTE, made_up
from gesso.families.adversarial import Adversarial
from gesso.families.colours import colour_likelihood, critic_sees, critic_sees_truth, judged_beside, mean_shares, shares
from gesso.families.family import Inputs
from gesso.families.mirrored import Mirrored
from gesso.networks.pointer_unet import PointerUNet
from gesso.recipes.colorize import CARD
from gesso.training.batch import Maker

INNER = Adversarial(colour_likelihood, critic_sees, critic_sees_truth, judged_beside, shares, critic_from=7)


def test_the_mirror_image_of_the_question_gets_the_mirror_image_of_the_answer():
    torch.manual_seed(0)
    networks = {"generator": PointerUNet(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=(16, 16, 16), depth=(1, 1, 1)).eval()}
    ports = Maker(made_up(), CARD.conditions, batch_size=1, seed=4).batch(0).ports
    turned = ports.map(lambda p: p.flip(-1) if p.ndim == 4 else p)

    def ask(family, given):
        with torch.inference_mode():
            return next(family.sample(networks, Inputs(given, given, (1,)), torch.Generator().manual_seed(0), None)).media["shares"]

    twice = Mirrored(INNER, mean_shares)
    assert torch.allclose(ask(twice, turned), ask(twice, ports).flip(-1), atol=1e-5)
    assert not torch.allclose(ask(INNER, turned), ask(INNER, ports).flip(-1), atol=1e-3), "once, it has whims"


def test_it_learns_as_the_family_inside():
    assert Mirrored(INNER, mean_shares).phases(7) == INNER.phases(7)
