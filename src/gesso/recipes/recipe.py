"""The recipe: a system put together from a card, networks, a family, data and rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gesso.card import Card, Words
from gesso.datasets.dataset import Dataset
from gesso.ports import Frame

if TYPE_CHECKING:  # so that a card can be read without torch
    from torch import nn

    from gesso.families.family import Fits, Learns, Samples
    from gesso.weights.store import Weights

LATER = {"later": True}  # of a field that was added later: a run's config leaves it out while it has its default, so that old runs resume


@dataclass(frozen=True)
class Optimiser:
    """The optimiser of one role: `kind` "adamw" or "sgd" (its momentum is the first of `betas`), with `decay` of weights.

    The rate warms up over `warmup` steps. Then it falls to `floor` times itself along a "cosine" or a "linear" ramp, or stays ("constant").
    `clip` bounds the length of the gradient; 0 turns that off.
    """

    rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    decay: float = 0.0
    warmup: int = 100
    floor: float = 0.02
    clip: float = 1.0
    kind: Literal["adamw", "sgd"] = field(default="adamw", metadata=LATER)
    eps: float = field(default=1e-8, metadata=LATER)
    schedule: Literal["cosine", "linear", "constant"] = field(default="cosine", metadata=LATER)


@dataclass(frozen=True)
class Gradient:
    """How a step's gradient is made.

    accumulate: the number of parts in which a batch is computed, to save memory; the result is the same.
    clip_each: the bound of each example's own gradient, and noise: the standard deviation of the normal noise that is added to their
    sum, in units of `clip_each` (DP-SGD, Abadi 2016, algorithm 1). 0 turns either off. Needs losses per item and no batch norm.
    The run's seed decides the noise, and is in the weights' card: for a private release train with a secret seed and remove it there.
    """

    accumulate: int = 1
    clip_each: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One training: `trains` maps the roles that learn to their optimisers; everything else is frozen.

    conditions: the names of the card's conditions that are simulated and encoded; None is all that networks read.
    figures(samples, true pictures, features) -> figures of samples by name, of which the first says which weights are best.
    """

    name: str
    family: Learns
    trains: Mapping[str, Optimiser]
    data: Callable[[Path | None, str], Dataset]  # (folder, or None for synthetic data; "train" | "val" | "dev")
    num_steps: int
    batch_size: int
    look_every: int = 0  # every so many steps simulated users see the current output; 0: never
    average: float = 0.999  # decay of the exponential moving average of weights; 0: no average
    frame: Frame = field(default_factory=Frame)
    gradient: Gradient = Gradient()
    gradients: Mapping[str, Gradient] = field(default_factory=dict)  # by phase, where it is another one: a critic's alone is private
    conditions: tuple[str, ...] | None = None
    figures: Callable[..., Mapping[str, float]] | None = None


@dataclass(frozen=True)
class Recipe:
    """Card, presets, networks, stages; optionally frozen parents, frames and a finish with rules.

    facts(dataset) -> what only the data know, as JSON: class names, a vocabulary, a latent's scale. Training computes it once and keeps
    it in checkpoints and in the weights' card; a slot's `facts` take options from it, and build is then called as build(preset, facts).
    `family`, `frames`, `shape`, `finish` and `film` are given it too where they have a parameter `facts`. Families find it in batches.
    build(preset) -> {role: an untrained module, or a function that builds one: of a role not in `keeps` it is called for training only}.
    stages(preset) -> the trainings, none for optimise-the-input.
    uses: {role: a recipe's name, the path of its .py file, or the recipe itself} of frozen parents. What a parent knows of its data is a
    fact here too, named role.fact, such as a text encoder's "text.vocabulary".
    keeps: the roles whose weights are kept (a critic's are not); "family" is the family's state.
    frames(request) -> the views a request is sampled in.  family(preset) -> the family that samples.
    finish(request, [(frame, output)]) -> the named outputs, and under "notes" the names of notes for the user, whose texts are on the
    card (`note.NAME`).  measures: {name: function(make, data, options) -> report}.
    data(folder, "train" | "val") -> the examples that a fit reads (`gesso fit --data`).
    preview(networks, batch, the stage's family) -> a uint8 picture that training saves at intervals; by default, or where it is None,
    the family's samples.
    layout, data_files: what a folder for --data holds, in words, and the patterns of its files (with + between those needed together).
    learns_pictures: the stages accept a folder of the user's own pictures as data.
    aim(example) -> {output: the value it should have} of an example of its last stage, for simulated people to steer to, as pictures uint8.
    native: networks compute in bfloat16 if the processor multiplies it natively, as in training, else in float32.
    drafts: finish gives a usable draft from earlier network outputs if only optional conditions have changed since.
    film(networks, settings) -> a function from a film's frame to the one made of it, `Planes -> Planes` of 4:2:0 and even size. Without
    it a film's frames are made as pictures are.
    opens(folder) -> weights that lie in a folder of another library, checked and hashed, with what builds their networks (`Weights`).
    shots(request) -> the requests of the frames, 24 a second, of a film that the recipe makes of a request alone (`--out film.mp4`).
    """

    card: Card
    presets: Mapping[str, Any]
    build: Callable[..., Mapping[str, nn.Module | Callable[[], nn.Module]]]
    family: Callable[..., Samples | Fits]
    stages: Callable[[Any], Sequence[Stage]] = lambda preset: ()
    keeps: tuple[str, ...] = ()
    uses: Mapping[str, str | Path | Recipe] = field(default_factory=dict)
    frames: Callable[..., Sequence[Frame]] = lambda request, preset: (Frame(),)
    shape: Callable[..., tuple[int, ...]] = lambda request, frame, preset: (1, 1, *frame.size)
    finish: Callable[..., Mapping[str, Any]] | None = None
    measures: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    default_preset: str = "small"
    preview: Callable[[Mapping[str, nn.Module], Any, Any], Any] | None = None
    learns_pictures: bool = False
    native: bool = False
    drafts: bool = False
    data: Callable[[Path | None, str], Dataset] | None = None
    layout: Words = field(default_factory=dict)
    data_files: tuple[str, ...] = ()
    film: Callable[..., Any] | None = None
    shots: Callable[..., Sequence[Any]] | None = None
    facts: Callable[[Dataset], Mapping[str, Any]] | None = None
    opens: Callable[[Path], Weights] | None = None
    aim: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    known: Mapping[str, Any] = field(default_factory=dict)  # the facts, once the data or the weights told them

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def needs_facts(self) -> bool:
        """Whether it asks for facts, of its data, of the folder that it opens, or of its parents' (role.fact)."""
        return (
            self.facts is not None
            or self.opens is not None
            or any("." in fact for slot in self.card.conditions for fact in slot.facts.values())
        )

    def networks(self, preset: Any, roles: Collection[str] | None = None) -> dict[str, nn.Module]:
        """Untrained networks by role; `roles` limits them, so that a critic is built for training only."""
        built = self.build(preset) if self.facts is None else self.build(preset, self.known)
        parts = {role: part for role, part in built.items() if roles is None or role in roles}
        return {role: part if hasattr(part, "state_dict") else part() for role, part in parts.items()}  # type: ignore[misc]

    def with_facts(self, facts: Mapping[str, Any]) -> Recipe:
        """This recipe for data of which `facts` are known; the same where it asks for none."""
        if not self.needs_facts:
            return self
        told: dict[str, Any] = {name: _told(getattr(self, name), facts) for name in ("family", "frames", "shape", "finish", "film")}
        return replace(self, card=self.card.with_facts(facts), known=dict(facts), **told)

    def preset(self, name: str | None) -> Any:
        from gesso.errors import GessoError

        chosen = name or self.default_preset
        if chosen not in self.presets:
            raise GessoError(f"{self.name} has no preset {chosen!r}", where="--preset", fix="one of " + ", ".join(self.presets))
        return self.presets[chosen]


def _told(function: Callable[..., Any] | None, facts: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The function with the facts as its argument `facts`, if it has one of that name."""
    return function if function is None or "facts" not in signature(function).parameters else partial(function, facts=dict(facts))


def size_of(slot: str) -> Callable[[Any, Any], list[Frame]]:
    """`frames` of a recipe that samples at the size of the picture of a slot."""

    def frames(request: Any, preset: Any) -> list[Frame]:
        page = request.conditions[slot].page
        return [Frame(page, page=page)] if page else []

    return frames


def class_names(dataset: Any) -> dict[str, Any]:
    """`facts` of a recipe that needs the names of its data's classes."""
    return {"classes": list(dataset.classes)}
