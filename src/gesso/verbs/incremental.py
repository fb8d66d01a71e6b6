"""Incremental: the same drawing made over and over with small changes; networks run only where their inputs changed."""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso.card import Settings
from gesso.conditions.condition import fingerprint
from gesso.errors import GessoError
from gesso.families.family import Output
from gesso.ports import Frame
from gesso.request import Request
from gesso.verbs.assemble import Assembled
from gesso.verbs.generate import Callbacks, Sampled, computing, described, finish, sample
from gesso.verbs.result import Result

MOST_KEPT = 4  # requests whose network outputs are kept: the newest, and some to undo to
MOST_BYTES = 256 * 2**20  # of them together
ALL = "*"  # read as a whole
SCALARS = (str, bytes, int, float, bool, type(None), np.generic)


class IncrementalModel:
    """A recipe with a cache of the latest outputs of its networks.

    Networks run again where one of their inputs is new: a condition that the card gives to networks, the recipe's frames or
    shapes, a setting that the family read, the seed, torch's threads. Any other change runs only the recipe's finish. Weights
    must not change. For one thread at a time.
    """

    def __init__(self, assembled: Assembled, *, most_kept: int = MOST_KEPT, most_bytes: int = MOST_BYTES) -> None:
        self.assembled = assembled
        self._most_kept, self._most_bytes = most_kept, most_bytes
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    def make(
        self,
        request: Request,
        *,
        on_output: Callable[[Output], None] | None = None,
        on_draft: Callable[[Result], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Result:
        """The same bits as `generate.make`; `on_output` is called only while networks run.

        Where networks must run and the recipe `drafts`, `on_draft` is first called with what its finish makes of their latest
        outputs, so that the user's own marks are shown at once; and with a preview that is a draft, finished. `stop` is called
        between frames and steps; once it returns true, Stopped is raised and the cache stays as it was.
        """
        assembled = self.assembled

        def finish_draft(sampled: Sampled) -> None:
            assert on_draft is not None
            outputs, notes = finish(assembled, request, sampled)
            on_draft(Result(assembled.recipe.card, outputs, request, _no_record, notes))

        see = on_output or ((lambda output: None) if on_draft else None)  # families make previews for someone who looks
        callbacks = Callbacks(see, stop, on_draft=finish_draft if on_draft else None)
        with computing(assembled, request) as numbers:
            key = self._key(request)
            sampled = self._recalled(key, request)
            if sampled is None:
                if on_draft is not None and assembled.recipe.drafts:
                    self._draft(key, request, on_draft)
                    callbacks.check_stop()
                read: set[str] = set()
                sampled = sample(assembled, request, numbers.dtype, callbacks, watched(request.settings, read))
                self._keep(key, request, frozenset(read), sampled)
            callbacks.check_stop()
            outputs, notes = finish(assembled, request, sampled)
        return described(assembled, request, outputs, notes, numbers)

    @property
    def num_bytes(self) -> int:
        """Size of the cache."""
        return sum(one.num_bytes for one in self._kept.values())

    def _recalled(self, key: _Key, request: Request) -> Sampled | None:
        """A copy of the outputs that the networks gave for the same inputs; None where they are not in the cache."""
        for held, kept in reversed(self._kept.items()):
            if held[0] == key.inputs and kept.fits(request.settings):
                self._kept.move_to_end(held)
                return copied(kept.sampled)
        return None

    def _draft(self, key: _Key, request: Request, on_draft: Callable[[Result], None]) -> None:
        """Finish the latest outputs for the same required conditions, where there are any."""
        last = next((kept for kept in reversed(self._kept.values()) if kept.required == key.required), None)
        if last is not None:
            outputs, notes = finish(self.assembled, request, copied(last.sampled))
            on_draft(Result(self.assembled.recipe.card, outputs, request, _no_record, notes))

    def _key(self, request: Request) -> _Key:
        recipe, preset = self.assembled.recipe, self.assembled.preset
        frames = recipe.frames(request, preset)
        views = [(f.size, f.box, f.page, f.options, tuple(recipe.shape(request, f, preset))) for f in frames]
        values = {slot.name: request.conditions.get(slot.name) for slot in recipe.card.conditions if slot.network}
        shown = {name: None if value is None else value.for_networks() for name, value in values.items()}
        required = {slot.name: request.conditions.get(slot.name) for slot in recipe.card.conditions if slot.required}
        return _Key(fingerprint((views, shown, request.seed, torch.get_num_threads())), fingerprint((views, required)))

    def _keep(self, key: _Key, request: Request, read: frozenset[str], sampled: Sampled) -> None:
        num_bytes = bytes_of([(output.media, output.taps) for _, output in sampled])
        try:
            kept = _Kept(copied(sampled), key.required, read, read_of(request.settings, read), num_bytes)
        except TypeError:  # it holds something that cannot be copied safely, so it is not kept
            return
        if kept.num_bytes > self._most_bytes:
            return
        self._kept[key.inputs, kept.settings] = kept
        while len(self._kept) > self._most_kept or self.num_bytes > self._most_bytes:
            self._kept.popitem(last=False)


@dataclass(frozen=True)
class _Key:
    """Fingerprints of a request: of all that networks are given but for settings, and of what a draft must share with it."""

    inputs: str
    required: str


@dataclass(frozen=True)
class _Kept:
    """Network outputs, and the settings that decided them: the names that were `read`, and a fingerprint of their values."""

    sampled: Sampled
    required: str
    read: frozenset[str]
    settings: str
    num_bytes: int

    def fits(self, settings: Any) -> bool:
        return read_of(settings, self.read) == self.settings


def _no_record() -> Any:
    raise GessoError("a draft has no record", where="draft", fix="wait for the finished picture")


def read_of(settings: Any, names: frozenset[str]) -> str:
    """A fingerprint of the settings with these names; of all settings where ALL is among them."""
    return fingerprint(settings if ALL in names else {name: getattr(settings, name) for name in names})


def watched(settings: Settings, read: set[str]) -> Settings:
    """The same settings, which add each field that is read to `read`, and ALL where anything but a field is read."""
    kind = type(settings)
    fields = frozenset(kind.model_fields)

    def __getattribute__(self: Any, name: str) -> Any:
        if name != "__class__":  # isinstance reads it
            read.add(name if name in fields else ALL)
        return kind.__getattribute__(self, name)

    members = {"__getattribute__": __getattribute__, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    looked: type[Settings] = types.new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(members))
    made = looked.model_construct(settings.model_fields_set, **{name: getattr(settings, name) for name in fields})
    read.clear()
    return made


def copied(value: Any) -> Any:
    """A copy that shares no array or tensor with `value`, since a finish may write into its input; TypeError for an unknown type."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.copy()
    if isinstance(value, Output):
        return replace(value, media=copied(value.media), taps=copied(value.taps))
    if isinstance(value, Mapping):
        return {key: copied(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(one) for one in value)
    if isinstance(value, SCALARS) or isinstance(value, Frame):
        return value
    raise TypeError(f"a {type(value).__name__} may share what it holds")


def bytes_of(value: Any) -> int:
    """Size of the arrays and tensors in a value."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(bytes_of(one) for one in value.values())
    return sum(bytes_of(one) for one in value) if isinstance(value, (list, tuple)) else 0
