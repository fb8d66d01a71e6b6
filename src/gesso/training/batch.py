"""One batch of training as a pure function of (seed, step): which examples, how changed, and what people would have given for them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gesso.conditions.condition import Condition
from gesso.datasets.dataset import Dataset, order
from gesso.errors import GessoError
from gesso.families.family import Batch
from gesso.ports import Frame, Ports, join

# Words after (seed, step, item) that keep the streams of random numbers apart; none is 0, which would be the shorter key again.
BUDGET, SLOT, VIEW = 100, 101, 1_000_000_007


class Slot(Protocol):
    """What a card says of one condition (`gesso.card.Slot`)."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> type[Condition]: ...
    @property
    def network(self) -> bool: ...
    @property
    def drop(self) -> float: ...
    @property
    def options(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Draft:
    """The clean half of a batch: its examples before anybody has given anything."""

    step: int
    index: np.ndarray
    items: Sequence[Mapping[str, Any]]
    clean: Mapping[str, Tensor]
    frame: Frame


@dataclass(frozen=True)
class Maker:
    """Makes batches. `slots` are the card's; those of the network alone are simulated. A condition left out has the truth {}.

    A dataset may define `for_batch(rng)`, the view one whole batch is taken from (a size, say), `batch_size(full)` of that view
    (fewer where its examples cost more), `frame(items)`, and `weights`, how often each example is drawn.
    """

    dataset: Dataset
    slots: Sequence[Slot]
    batch_size: int
    seed: int
    frame: Frame = field(default_factory=Frame)
    channels_last: bool = False
    _orders: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.dataset) < 1:
            raise GessoError("the dataset holds no examples", where=self.dataset.name, fix="give another folder to --data")

    def indices(self, step: int) -> np.ndarray:
        """Which examples step `step` sees: the next `batch_size` of one epoch's order after another's."""
        num = len(self.dataset)
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        return np.array([self._order(int(p // num))[p % num] for p in places], np.int64)

    def draft(self, step: int) -> Draft:
        index = self.indices(step)
        chosen = getattr(self.dataset, "for_batch", None)
        view = self.dataset if chosen is None else chosen(np.random.default_rng([self.seed, step, VIEW]))
        fewer = getattr(view, "batch_size", None)
        index = index if fewer is None else index[: fewer(self.batch_size)]
        items = [self._item(view, int(n), step, i) for i, n in enumerate(index)]
        framed = getattr(view, "frame", None)
        frame = framed(items) if callable(framed) else self.frame
        return Draft(step, index, items, {k: self._own(v) for k, v in view.stack(items).items()}, frame)

    def finish(self, draft: Draft, given: Any = None) -> Batch:
        """The batch with its conditions; `given` is the current output per item, which people correct (a tensor comes as a numpy array)."""
        shown = _per_item(given, len(draft.items))
        rngs = [[self.seed, draft.step, i] for i in range(len(draft.items))]
        budgets = [float(np.random.default_rng([*rng, BUDGET]).random()) for rng in rngs]
        ports: list[Ports] = []
        truth: dict[str, list[Any]] = {}
        for k, slot in enumerate(s for s in self.slots if s.network):
            values: list[Condition | None] = []
            truths: list[Any] = []
            for item, key, budget, output in zip(draft.items, rngs, budgets, shown, strict=True):
                rng = np.random.default_rng([*key, SLOT + k])
                left_out = rng.random() < slot.drop
                value, known = (None, {}) if left_out else slot.kind.simulate({**item, "slot": slot}, rng, budget, given=output)
                values.append(value)
                truths.append(known)
            ports.append(slot.kind.encode(values, draft.frame.with_options(dict(slot.options))))
            truth[slot.name] = truths
        return Batch(draft.clean, join(ports).map(self._own), torch.from_numpy(draft.index.copy()), truth)

    def null(self, draft: Draft) -> Ports:
        """The ports of the same batch with every condition left out."""
        num = len(draft.items)
        return join([s.kind.encode([None] * num, draft.frame.with_options(dict(s.options))) for s in self.slots if s.network]).map(
            self._own
        )

    def batch(self, step: int) -> Batch:
        return self.finish(self.draft(step))

    def _order(self, epoch: int) -> np.ndarray:
        if epoch not in self._orders:
            for old in sorted(self._orders)[:-1]:
                del self._orders[old]
            self._orders[epoch] = order(len(self.dataset), epoch, self.seed, getattr(self.dataset, "weights", None))
        return self._orders[epoch]

    def _item(self, view: Dataset, index: int, step: int, place: int) -> Mapping[str, Any]:
        try:
            return view.item(index, np.random.default_rng([self.seed, step, place]))
        except GessoError:
            raise
        except Exception as error:
            raise GessoError(f"example {index} could not be made: {type(error).__name__}: {error}", where=self.dataset.name) from error

    def _own(self, value: Any) -> Any:
        """A copy in torch's own aligned memory, so that sums do not depend on where numpy happened to put the numbers."""
        if not isinstance(value, Tensor):
            return value
        images = self.channels_last and value.ndim == 4 and value.is_floating_point()
        return value.clone(memory_format=torch.channels_last if images else torch.contiguous_format)


def _humble() -> None:
    """This thread gives way to those that learn: a step waits for the slowest of its threads, a batch is two steps ahead."""
    torch.set_num_threads(1)
    with contextlib.suppress(AttributeError, OSError):  # niceness of one thread is Linux's own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class Prefetcher:
    """Batches made in one other thread, `ahead` of the step that learns from them; what comes is the same as without it."""

    def __init__(self, maker: Maker, num_steps: int, look_every: int = 0, ahead: int = 2) -> None:
        self.maker, self.num_steps, self.look_every, self.ahead = maker, num_steps, look_every, ahead
        self._pool = ThreadPoolExecutor(1, "batches", initializer=_humble)
        self._waiting: dict[int, Future[tuple[Draft, Batch]]] = {}

    def looks(self, step: int) -> bool:
        """Is this a step at which people see the current output?"""
        return self.look_every > 0 and step % self.look_every == 0

    def plain(self, step: int) -> tuple[Draft, Batch]:
        self._ask(step)
        made = self._waiting.pop(step).result()
        if not self.looks(step):
            self._ask_ahead(step)
        return made

    def given(self, draft: Draft, given: Any) -> Batch:
        """The batch again, its conditions from people who saw `given`."""
        made = self._pool.submit(self.maker.finish, draft, given)
        self._ask_ahead(draft.step)
        return made.result()

    def forget(self) -> None:
        """Drop what was made ahead: the run goes elsewhere."""
        for future in self._waiting.values():
            future.cancel()
        self._waiting.clear()

    def close(self) -> None:
        self.forget()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, step: int) -> None:
        if step not in self._waiting:
            self._waiting[step] = self._pool.submit(self._make, step)

    def _ask_ahead(self, step: int) -> None:
        for later in range(step + 1, min(step + 1 + self.ahead, self.num_steps)):
            self._ask(later)

    def _make(self, step: int) -> tuple[Draft, Batch]:
        draft = self.maker.draft(step)
        return draft, self.maker.finish(draft)


def _per_item(given: Any, num: int) -> Sequence[Any]:
    if given is None:
        return [None] * num
    if isinstance(given, Tensor):
        given = given.detach().float().cpu().numpy()
    if len(given) != num:
        raise GessoError(f"the family proposed {len(given)} outputs for {num} items", where="propose")
    return [v.detach().float().cpu().numpy() if isinstance(v, Tensor) else v for v in given]
