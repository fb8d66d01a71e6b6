"""Mirrored: samples a family on the inputs and on their mirror image and joins both, which averages out some of the network's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from gesso.families.family import Family, Inputs, Networks, Output

Made = TypeVar("Made")
# The mirror image is computed in its own thread. Two parallel passes on half of the threads each need no synchronisation per layer,
# which cost more than a second thread gained on two processors that also ran a browser.
MIRROR_THREAD = ThreadPoolExecutor(1, "mirror")


@dataclass(frozen=True)
class Mirrored:
    """Samples `family` on the inputs and on their mirror image, step by step; `join(media, mirrored media)` merges the two.

    Training is that of `family`; only `sample` differs. Ports with positions ([… h w]) are flipped left to right.
    """

    family: Any
    join: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.family, name)

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        inner: Family = self.family
        twin = torch.Generator(rng.device)
        twin.set_state(rng.get_state())
        turned = replace(inputs, ports=inputs.ports.map(_mirror), null=inputs.null.map(_mirror))
        ways = inner.sample(networks, inputs, rng, settings), inner.sample(networks, turned, twin, settings)
        final = False
        while True:
            run = _run_in_turn if final else _run_both  # after a final output the samplers have, as a rule, nothing left to compute
            one, other = run(lambda: next(ways[0], None), lambda: next(ways[1], None))
            if one is None or other is None:
                if one is not other:
                    raise ValueError("the mirror image took a different number of steps")
                return
            final = one.final
            yield replace(one, media=self.join(one.media, other.media))


def _mirror(port: Tensor) -> Tensor:
    return port.flip(-1) if port.ndim >= 4 else port


def _run_both(first: Callable[[], Made], second: Callable[[], Made]) -> tuple[Made, Made]:
    """Run both in torch's current modes: in parallel on half of the threads each, or one after the other if there is one thread."""
    number = torch.get_num_threads()
    if number < 2:
        return _run_in_turn(first, second)
    modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def there() -> Made:
        with _threads(number // 2), torch.inference_mode(modes[0]), torch.set_grad_enabled(modes[1]):
            with torch.autocast("cpu", modes[3], enabled=modes[2]):
                return second()

    coming = MIRROR_THREAD.submit(there)
    try:
        with _threads(number // 2):
            here = first()
    finally:
        coming.exception()  # wait, so that nothing runs on after this function returns or raises
    return here, coming.result()


def _run_in_turn(first: Callable[[], Made], second: Callable[[], Made]) -> tuple[Made, Made]:
    """Run one after the other, with as many threads as `_run_both` gives to each: their number changes last bits."""
    with _threads(max(1, torch.get_num_threads() // 2)):
        return first(), second()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
