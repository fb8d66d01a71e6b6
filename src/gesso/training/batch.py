"""Training batches as pure functions of (seed, step): the examples, their augmentation and the simulated user input."""

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
from gesso.person import Person
from gesso.ports import Frame, Ports, join
from gesso.training.ranks import Ranks

# Numbers appended to (seed, step, item) to get independent random streams. None is 0, because numpy treats a trailing 0 as absent.
WHO, BUDGET, SLOT, VIEW = 99, 100, 101, 1_000_000_007


class SlotInfo(Protocol):
    """The part of `gesso.card.Slot` that training needs."""

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
    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class CleanBatch:
    """A batch's examples before user input is simulated: the items from `start` of the step's `total`."""

    step: int
    index: np.ndarray
    items: Sequence[Mapping[str, Any]]
    clean: Mapping[str, Tensor]
    frame: Frame
    start: int = 0
    total: int = 0


@dataclass(frozen=True)
class BatchMaker:
    """Makes batches. Of the card's `slots`, only network conditions are simulated. A condition that is dropped has the truth {}.

    With several processes it makes this process's rows of each batch; the examples and simulated inputs of all of them together are
    those of a single process.
    A dataset may define `for_batch(rng)`, which returns the dataset for one whole batch (such as one size); `batch_size(full)`, a
    smaller batch size for expensive examples; `frame(items)`; `weights`, the relative frequency of each example; and
    `indices(step, batch_size, seed)`, which replaces the order of epochs (such as Poisson sampling) and may give none.
    """

    dataset: Dataset
    slots: Sequence[SlotInfo]
    batch_size: int
    seed: int
    frame: Frame = field(default_factory=Frame)
    channels_last: bool = False
    ranks: Ranks = Ranks()
    facts: Mapping[str, Any] = field(default_factory=dict)
    people: Sequence[Person | None] = ()  # who gives the conditions, one for each example; None: the kinds' own simulated users
    _orders: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if len(self.dataset) < 1:
            raise GessoError("the dataset holds no examples", where=self.dataset.name, fix="give another folder to --data")

    def indices(self, step: int) -> np.ndarray:
        """The indices of the examples of step `step`: the next `batch_size` in the concatenated orders of all epochs."""
        own = getattr(self.dataset, "indices", None)
        if own is not None:
            return np.asarray(own(step, self.batch_size, self.seed), np.int64)
        num = len(self.dataset)
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        return np.array([self._order(int(p // num))[p % num] for p in places], np.int64)

    def clean_batch(self, step: int) -> CleanBatch:
        index = self.indices(step)
        chosen = getattr(self.dataset, "for_batch", None)
        view = self.dataset if chosen is None else chosen(np.random.default_rng([self.seed, step, VIEW]))
        fewer = getattr(view, "batch_size", None)
        index = index if fewer is None else index[: fewer(self.batch_size)]
        drawn = getattr(self.dataset, "indices", None) is not None  # then a step, or a process's share of it, may hold no example
        total, (start, stop) = len(index), self.ranks.row_range(len(index), may_be_empty=drawn)
        if start == stop:
            return CleanBatch(step, index[start:stop], [], {}, self.frame, start, total)
        items = [self._item(view, int(index[i]), step, i) for i in range(start, stop)]
        framed = getattr(view, "frame", None)
        frame = framed(items) if callable(framed) else self.frame
        clean = {k: self._aligned_copy(v) for k, v in view.stack(items).items()}
        return CleanBatch(step, index[start:stop], items, clean, frame, start, total)

    def with_conditions(self, clean_batch: CleanBatch, given: Any = None) -> Batch:
        """Add simulated conditions. `given` is the current output per item, which users correct (tensors become numpy arrays)."""
        index = torch.from_numpy(clean_batch.index.copy())
        if not clean_batch.items:
            return Batch({}, Ports(), index, {}, clean_batch.start, clean_batch.total, self.facts)
        shown = _per_item(given, len(clean_batch.items))
        rngs = [[self.seed, clean_batch.step, clean_batch.start + i] for i in range(len(clean_batch.items))]
        budgets = [float(np.random.default_rng([*rng, BUDGET]).random()) for rng in rngs]
        ports: dict[str, Ports] = {}
        truth: dict[str, list[Any]] = {}
        for k, slot in enumerate(s for s in self.slots if s.network):
            values: list[Condition | None] = []
            truths: list[Any] = []
            for item, key, budget, output in zip(clean_batch.items, rngs, budgets, shown, strict=True):
                rng = np.random.default_rng([*key, SLOT + k])
                left_out = rng.random() < slot.drop
                value, known = (None, {}) if left_out else self._given(slot, item, key, rng, budget, output)
                values.append(value)
                truths.append(known)
            ports[slot.name] = slot.kind.encode(values, clean_batch.frame.with_options(dict(slot.options)))
            truth[slot.name] = truths
        joined = join(list(ports.values()), list(ports)).map(self._aligned_copy)
        return Batch(clean_batch.clean, joined, index, truth, clean_batch.start, clean_batch.total, self.facts)

    def _given(self, slot: SlotInfo, item: Any, key: Sequence[int], rng: np.random.Generator, budget: float, output: Any) -> Any:
        """The value of a condition and its truth, by the kind's own simulated user or by the person who is given this example."""
        who = np.random.default_rng([*key, WHO]) if self.people else None
        person = self.people[int(who.integers(len(self.people)))] if who is not None else None
        if who is None or person is None:
            return slot.kind.simulate(example_of(slot, item), rng, budget, given=output)
        return slot.kind.given_by(person, example_of(slot, item), rng, output, None, int(who.integers(person.patience + 1)))

    def null(self, clean_batch: CleanBatch) -> Ports:
        """The ports of the same batch with all conditions dropped."""
        absent, slots = [None] * len(clean_batch.items), [s for s in self.slots if s.network]
        ports = [s.kind.encode(absent, clean_batch.frame.with_options(dict(s.options))) for s in slots]
        return join(ports, [s.name for s in slots]).map(self._aligned_copy)

    def batch(self, step: int) -> Batch:
        return self.with_conditions(self.clean_batch(step))

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

    def _aligned_copy(self, value: Any) -> Any:
        """A copy in memory that torch aligns, so that sums do not depend on the alignment of numpy's memory."""
        if not isinstance(value, Tensor):
            return value
        images = self.channels_last and value.ndim == 4 and value.is_floating_point()
        return value.clone(memory_format=torch.channels_last if images else torch.contiguous_format)


def example_of(slot: SlotInfo, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """An example as the simulator of `slot` reads it: with the slot itself, and under the kind's own key what `slot.source` names."""
    renamed = {slot.kind.reads: item[slot.source]} if slot.source else {}
    return {**item, **renamed, "slot": slot}


def _lower_priority() -> None:
    """Lower this thread's priority below the training threads: batches are two steps ahead, and a step waits for its slowest thread."""
    torch.set_num_threads(1)
    with contextlib.suppress(AttributeError, OSError):  # only Linux can set the niceness of one thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


class Prefetcher:
    """Makes batches in a background thread, `ahead` steps in advance. The batches are the same as without it."""

    def __init__(self, maker: BatchMaker, num_steps: int, look_every: int = 0, ahead: int = 2) -> None:
        self.maker, self.num_steps, self.look_every, self.ahead = maker, num_steps, look_every, ahead
        self._pool = ThreadPoolExecutor(1, "batches", initializer=_lower_priority)
        self._pending: dict[int, Future[tuple[CleanBatch, Batch]]] = {}

    def shows_output(self, step: int) -> bool:
        """Whether simulated users see the current output at this step."""
        return self.look_every > 0 and step % self.look_every == 0

    def get(self, step: int) -> tuple[CleanBatch, Batch]:
        self._request(step)
        made = self._pending.pop(step).result()
        if not self.shows_output(step):
            self._request_ahead(step)
        return made

    def get_with_output(self, clean_batch: CleanBatch, given: Any) -> Batch:
        """The batch of `clean_batch` with conditions from users who see the output `given`."""
        made = self._pool.submit(self.maker.with_conditions, clean_batch, given)
        self._request_ahead(clean_batch.step)
        return made.result()

    def discard(self) -> None:
        """Drop all prefetched batches, because the run continues at another step."""
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()

    def close(self) -> None:
        self.discard()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _request(self, step: int) -> None:
        if step not in self._pending:
            self._pending[step] = self._pool.submit(self._make, step)

    def _request_ahead(self, step: int) -> None:
        for later in range(step + 1, min(step + 1 + self.ahead, self.num_steps)):
            self._request(later)

    def _make(self, step: int) -> tuple[CleanBatch, Batch]:
        clean_batch = self.maker.clean_batch(step)
        return clean_batch, self.maker.with_conditions(clean_batch)


def _per_item(given: Any, num: int) -> Sequence[Any]:
    if given is None:
        return [None] * num
    if isinstance(given, Tensor):
        given = given.detach().float().cpu().numpy()
    if len(given) != num:
        raise GessoError(f"the family proposed {len(given)} outputs for {num} items", where="propose")
    return [v.detach().float().cpu().numpy() if isinstance(v, Tensor) else v for v in given]
