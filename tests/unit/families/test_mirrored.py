"""Mirrored: mirrored inputs give mirrored outputs."""

import pytest
import torch

from gesso.datasets.drawings import PALETTE, synthetic_set
from gesso.families.colour_objectives import colour_likelihood, mean_shares, shares
from gesso.families.family import Inputs, Output
from gesso.families.likelihood import Likelihood
from gesso.families.mirrored import MIRROR_THREAD, Mirrored
from gesso.networks.region_painter import RegionPainter
from gesso.ports import Ports
from gesso.recipes.colorize import CARD
from gesso.training.batch import BatchMaker

INNER = Likelihood(colour_likelihood, shares)


def painter() -> RegionPainter:
    return RegionPainter(CARD.port_sizes(), torch.from_numpy(PALETTE), widths=(16, 16, 16), depth=(1, 1, 1), wide=32, layers=1).eval()


def test_mirrored_inputs_give_mirrored_outputs():
    torch.manual_seed(0)
    networks = {"generator": painter()}
    ports = BatchMaker(synthetic_set(), CARD.conditions, batch_size=1, seed=4).batch(0).ports
    turned = ports.map(lambda p: p.flip(-1) if p.ndim == 4 else p)

    def ask(family, given):
        with torch.inference_mode():
            return next(family.sample(networks, Inputs(given, given, (1,)), torch.Generator().manual_seed(0), None)).media["shares"]

    twice = Mirrored(INNER, mean_shares)
    assert torch.allclose(ask(twice, turned), ask(twice, ports), atol=1e-5)
    assert not torch.allclose(ask(INNER, turned), ask(INNER, ports), atol=1e-3), "the network alone is not symmetric"


def test_training_is_that_of_the_inner_family():
    assert Mirrored(INNER, mean_shares).phases(7) == INNER.phases(7)


class Modes:
    """Says in which of torch's modes it was asked."""

    def sample(self, networks, inputs, rng, settings):
        for _ in range(2):
            a = torch.ones(4, 4) @ torch.ones(4, 4)
            yield Output({"dtype": a.dtype, "inference": a.is_inference(), "threads": torch.get_num_threads()}, final=True)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def joined(one, other):
    return {"both": (one, other)}


@pytest.mark.parametrize("reduced", [False, True])
def test_both_passes_use_the_callers_modes_and_half_of_the_threads(two_threads, reduced):
    given = Ports(spatial=torch.zeros(1, 1, 2, 2))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=reduced):
        asked = Mirrored(Modes(), joined).sample({}, Inputs(given, given, (1,)), torch.Generator(), None)
        one, other = next(asked).media["both"]
    assert one == other == {"dtype": torch.bfloat16 if reduced else torch.float32, "inference": True, "threads": 1}
    assert torch.get_num_threads() == 2


def test_only_what_is_computed_takes_a_second_thread(two_threads, monkeypatch):
    class Counted:
        num = 0

        def submit(self, work):
            self.num += 1
            return MIRROR_THREAD.submit(work)

    counted = Counted()
    monkeypatch.setattr("gesso.families.mirrored.MIRROR_THREAD", counted)
    ports = Ports()
    made = list(Mirrored(Modes(), joined).sample({}, Inputs(ports, ports, (1,)), torch.Generator(), None))
    assert len(made) == 2 and counted.num == 1, "after a final output nothing is handed over"


def test_an_error_in_the_mirrored_pass_is_raised(two_threads):
    class Wrong:
        def sample(self, networks, inputs, rng, settings):
            if inputs.ports.spatial[0, 0, 0, 0]:
                raise RuntimeError("in the mirror")
            yield Output({}, final=True)

    given = Ports(spatial=torch.tensor([[[[0.0, 1.0]]]]))
    with pytest.raises(RuntimeError, match="in the mirror"):
        list(Mirrored(Wrong(), joined).sample({}, Inputs(given, given, (1,)), torch.Generator(), None))
    assert torch.get_num_threads() == 2


def test_the_number_of_threads_does_not_change_the_output():
    torch.manual_seed(0)
    networks = {"generator": painter()}
    ports = BatchMaker(synthetic_set(), CARD.conditions, batch_size=1, seed=4).batch(0).ports
    before, made = torch.get_num_threads(), []
    for number in (1, 2):
        torch.set_num_threads(number)
        with torch.inference_mode():
            asked = Mirrored(INNER, mean_shares).sample(networks, Inputs(ports, ports, (1,)), torch.Generator().manual_seed(0), None)
            made.append(next(asked).media["shares"])
    torch.set_num_threads(before)
    assert torch.equal(*made)
