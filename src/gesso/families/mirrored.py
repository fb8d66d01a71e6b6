"""A family asked twice: as it is and in the mirror, since a drawing has no left and right, and the mean halves a network's whims."""

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
# The mirror image has a thread of its own. Two passes beside each other, on half of the threads each, never wait for one another's
# layers as threads within a layer do: beside a browser on two processors that waiting cost more than the second thread gave.
MIRROR = ThreadPoolExecutor(1, "mirror")


@dataclass(frozen=True)
class Mirrored:
    """Samples of `family` and of the mirror image, step by step; `join(media, media of the mirror image)` makes one of two.

    It learns as `family` does: only `sample` is its own. A port with places ([… h w]) is turned left to right.
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
        while True:
            one, other = _beside(lambda: next(ways[0], None), lambda: next(ways[1], None))
            if one is None or other is None:
                if one is not other:
                    raise ValueError("the mirror image took another number of steps")
                return
            yield replace(one, media=self.join(one.media, other.media))


def _mirror(port: Tensor) -> Tensor:
    return port.flip(-1) if port.ndim >= 4 else port


def _beside(first: Callable[[], Made], second: Callable[[], Made]) -> tuple[Made, Made]:
    """Both, in torch's modes as they are here: at once where there are threads for it, each with half of them."""
    number = torch.get_num_threads()
    if number < 2:
        return first(), second()
    modes = torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def there() -> Made:
        with _threads(number // 2), torch.inference_mode(modes[0]), torch.set_grad_enabled(modes[1]):
            with torch.autocast("cpu", modes[3], enabled=modes[2]):
                return second()

    coming = MIRROR.submit(there)
    try:
        with _threads(number // 2):
            here = first()
    finally:
        coming.exception()  # whatever comes of it, nothing of it goes on behind the caller's back
    return here, coming.result()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
