"""Every recipe computes where its networks are. The other device is torch's `meta`, which exists everywhere and holds no values; a mode
refuses an operation whose tensors are on two devices, and numbers drawn by a generator of another device than they are made on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gesso.errors import GessoError
from gesso.families.family import due_phases
from gesso.training.batch import BatchMaker
from gesso.verbs.assemble import assemble
from gesso.verbs.generate import encode, method_of
from gesso.verbs.load import Model
from gesso.verbs.training_outputs import slots_of
from recipes.test_recipes import brief, every, given_for, known, own_data

ELSEWHERE = torch.device("meta")
MOVES = {"aten::_to_copy", "aten::copy_", "aten::_copy_from"}


class OneDevice(TorchDispatchMode):
    """Counts operations elsewhere, and refuses those that mix devices."""

    def __init__(self) -> None:
        super().__init__()
        self.num_elsewhere = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = tree_leaves((args, kwargs or {}))
        devices = {one.device.type for one in leaves if isinstance(one, torch.Tensor) and one.ndim}
        name = func.name().split(".")[0]
        if len(devices) > 1 and name not in MOVES:
            raise AssertionError(f"{name} mixes {' and '.join(sorted(devices))}")
        generator = next((one for one in leaves if isinstance(one, torch.Generator)), None)
        made_on = (kwargs or {}).get("device")
        if generator is not None and made_on is not None and torch.device(made_on).type != generator.device.type:
            raise AssertionError(f"{name} on {made_on} draws with a generator of {generator.device}")
        self.num_elsewhere += ELSEWHERE.type in devices
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast does not know the device; which number type is computed in does not matter here."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


@contextmanager
def until_values_are_read() -> Iterator[OneDevice]:
    """Everything up to the first reading of a value, which a device without values refuses."""
    with OneDevice() as watch:
        try:
            yield watch
        except (RuntimeError, NotImplementedError) as error:
            if "meta" not in str(error):
                raise
    assert watch.num_elsewhere, "nothing was computed elsewhere"


@every
def test_what_is_made_is_made_where_the_networks_are(name: str) -> None:
    recipe = known(name)
    torch.manual_seed(0)
    try:
        assembled = assemble(name, preset="tiny", untrained=True, facts=recipe.known)
    except GessoError as error:
        pytest.skip(f"{name} stands on weights that are not here: {error}")
    request = Model(assembled).request(**given_for(recipe, own_data(recipe), 0), **brief(recipe))
    (frame, *_) = recipe.frames(request, assembled.preset)
    inputs = encode(assembled, request, frame).to(ELSEWHERE)
    networks = {role: network.to(ELSEWHERE) for role, network in assembled.networks.items()}
    run = method_of(assembled)
    with until_values_are_read(), torch.set_grad_enabled(run.__name__ == "fit"):
        for output in run(networks, inputs, torch.Generator().manual_seed(0), request.settings):
            assert all(one.device == ELSEWHERE for one in output.media.values() if isinstance(one, torch.Tensor))


@every
def test_what_is_learned_is_learned_where_the_networks_are(name: str) -> None:
    recipe = known(name)
    stages = recipe.stages(recipe.preset("tiny"))
    if not stages:
        pytest.skip(f"{name} learns nothing of its own")
    for stage in stages:
        dataset = stage.data(None, "train")
        assembled = assemble(name, preset="tiny", untrained=True, facts=recipe.known)
        batch = BatchMaker(dataset, slots_of(recipe, stage), min(2, stage.batch_size), 0, stage.frame).batch(0).to(ELSEWHERE)
        networks = {role: network.to(ELSEWHERE).train() for role, network in assembled.networks.items()}
        rng = torch.Generator().manual_seed(0)
        state = stage.family.prepare(networks, dataset, rng).to(ELSEWHERE)
        for phase in due_phases(stage.family, stage.num_steps - 1) or due_phases(stage.family, 0):
            with until_values_are_read():
                value = stage.family.loss(phase, networks, batch, state, stage.num_steps - 1, rng).value
                assert value.device == ELSEWHERE
                value.float().mean().backward()


def test_the_mode_bites() -> None:
    here, there = torch.zeros(3), torch.zeros(3, device=ELSEWHERE)
    with pytest.raises(AssertionError, match="mixes cpu and meta"), OneDevice():
        torch.cat([here, there])
    with pytest.raises(AssertionError, match="draws with a generator of cpu"), OneDevice():
        torch.randn(3, generator=torch.Generator(), device=ELSEWHERE)
    with OneDevice() as watch, suppress(RuntimeError):
        (there + here.to(ELSEWHERE)).sum().item()
    assert watch.num_elsewhere >= 1
