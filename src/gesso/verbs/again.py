"""Again: the same drawing made over and over, a little changed each time; what a change cannot touch is not made anew."""

from __future__ import annotations

import types
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
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
from gesso.verbs.generate import Made, Watch, finished, run, sampled
from gesso.verbs.result import Result

MOST_KEPT = 4  # requests' network outputs: the newest, and a few to undo to
MOST_BYTES = 256 * 2**20  # of them together
ALL = "*"  # read as a whole
SCALARS = (str, bytes, int, float, bool, type(None), np.generic)


class Again:
    """A recipe with a memory of what its networks gave lately.

    They run anew only where what they are shown is new: a condition of theirs, the recipe's frames or shapes, a setting that
    the family looked at, the seed, torch's threads. Anything else takes only the recipe's finish (`generate.finished`, the place
    for a memory of its own). Weights are taken not to change. For one thread at a time.
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
        """What `generate.run` gives, to the bit; previews are shown only when networks run.

        Where they must run and the recipe `drafts`, `on_draft` is first given what its finish makes of their last outputs: the
        hand's own marks at once. `stop` is asked between frames and steps; once it says yes Stopped is raised, and what is
        remembered stays as it was.
        """
        sample = partial(self._sampled, on_draft if self.assembled.recipe.drafts else None)
        return run(self.assembled, request, on_output=on_output, stop=stop, sample=sample)

    @property
    def num_bytes(self) -> int:
        """What is remembered takes."""
        return sum(one.num_bytes for one in self._kept.values())

    def _sampled(
        self, on_draft: Callable[[Result], None] | None, assembled: Assembled, request: Request, settings: Any, watch: Watch
    ) -> Made:
        views = self._views(request)
        shown, kind = self._shown(request, views), self._kind(request, views)
        for key, kept in reversed(self._kept.items()):
            if key[0] == shown and kept.fits(settings):
                self._kept.move_to_end(key)
                return copied(kept.made)
        last = next((kept for kept in reversed(self._kept.values()) if kept.kind == kind), None)
        if on_draft is not None and last is not None:
            outputs, notes = finished(assembled, request, copied(last.made))
            on_draft(Result(assembled.recipe.card, outputs, request, _undescribed, notes))
            watch.ask()
        read: set[str] = set()
        made = sampled(assembled, request, watched(settings, read), watch)
        self._keep(shown, kind, settings, frozenset(read), made)
        return made

    def _views(self, request: Request) -> list[Any]:
        recipe, preset = self.assembled.recipe, self.assembled.preset
        frames = recipe.frames(request, preset)
        return [(f.size, f.box, f.page, f.options, tuple(recipe.shape(request, f, preset))) for f in frames]

    def _shown(self, request: Request, views: list[Any]) -> str:
        """A fingerprint of all that the networks are shown, but for settings."""
        values = {slot.name: request.conditions.get(slot.name) for slot in self.assembled.recipe.card.conditions if slot.network}
        given = {name: None if value is None else value.for_networks() for name, value in values.items()}
        return fingerprint((views, given, request.seed, torch.get_num_threads()))

    def _kind(self, request: Request, views: list[Any]) -> str:
        """A fingerprint of what a draft must have in common with what its networks' outputs were made of."""
        given = {slot.name: request.conditions.get(slot.name) for slot in self.assembled.recipe.card.conditions if slot.required}
        return fingerprint((views, given))

    def _keep(self, shown: str, kind: str, settings: Any, read: frozenset[str], made: Made) -> None:
        try:
            kept = _Kept(copied(made), kind, read, read_of(settings, read), bytes_of([(o.media, o.taps) for _, o in made]))
        except TypeError:  # something in it that cannot be copied safely is made anew each time
            return
        if kept.num_bytes > self._most_bytes:
            return
        self._kept[shown, kept.settings] = kept
        while len(self._kept) > self._most_kept or self.num_bytes > self._most_bytes:
            self._kept.popitem(last=False)


@dataclass(frozen=True)
class _Kept:
    """Network outputs, and the settings that decided them: the names that were `read`, and a fingerprint of their values."""

    made: Made
    kind: str
    read: frozenset[str]
    settings: str
    num_bytes: int

    def fits(self, settings: Any) -> bool:
        return read_of(settings, self.read) == self.settings


def _undescribed() -> Any:
    raise GessoError("a draft has no record", where="draft", fix="wait for the picture itself")


def read_of(settings: Any, names: frozenset[str]) -> str:
    """A fingerprint of some settings' values by name; of all, where ALL is among the names."""
    return fingerprint(settings if ALL in names else {name: getattr(settings, name) for name in names})


def watched(settings: Settings, read: set[str]) -> Settings:
    """The same settings, which note in `read` each field that somebody looks at; ALL where it is anything but a field."""
    kind = type(settings)
    fields = frozenset(kind.model_fields)

    def __getattribute__(self: Any, name: str) -> Any:
        if name != "__class__":
            read.add(name if name in fields else ALL)
        return kind.__getattribute__(self, name)

    members = {"__getattribute__": __getattribute__, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    looked: type[Settings] = types.new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(members))
    made = looked.model_construct(settings.model_fields_set, **{name: getattr(settings, name) for name in fields})
    read.clear()
    return made


def copied(value: Any) -> Any:
    """A copy that shares no array or tensor with it, since a finish may write into what it is given; TypeError where that is unsure."""
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
    """What the arrays and tensors in it take."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(bytes_of(one) for one in value.values())
    return sum(bytes_of(one) for one in value) if isinstance(value, (list, tuple)) else 0
