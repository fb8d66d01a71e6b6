"""Generate: a request through the networks and the recipe's rules, to outputs with a record."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso.errors import GessoError, Stopped
from gesso.families.family import Inputs, Output
from gesso.media.tensor import from_tensor
from gesso.number import whole
from gesso.ports import Frame, join
from gesso.record import record
from gesso.request import Request
from gesso.verbs.assemble import Assembled
from gesso.verbs.result import Result
from gesso.verbs.thread import default_threads, fixed_threads

MAX_THREADS = 256
REDUCED = "bfloat16"
NOTES = "notes"  # what a finish tells people, beside its outputs: names of notes, whose words are the card's
Made = Sequence[tuple[Frame, Output]]
Sampler = Callable[[Assembled, Request, Any, "Watch"], Made]


def run(
    assembled: Assembled,
    request: Request,
    *,
    on_output: Callable[[Output], None] | None = None,
    threads: int | None = None,
    dtype: str | None = None,
    files: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    sample: Sampler | None = None,
) -> Result:
    """Make what the request asks for, one item a forward pass.

    `on_output` is given each preview (an Output that is not final). `threads` (None: one a processor, at most 4) is
    torch's number while this runs, because it moves last bits; the record says it. So does `dtype`, in which networks compute:
    "float32" or "bfloat16" (None: `native_dtype`). `files` {condition: file's name} goes into the record. `stop` is asked
    between frames and steps, and once it says yes Stopped is raised. `sample` stands in for `sampled`.
    GessoError where the output is not finite, or there is none.
    """
    recipe, preset = assembled.recipe, assembled.preset
    if request.recipe != recipe.name:
        raise GessoError(f"this request is for {request.recipe!r}, not {recipe.name!r}", where="request")
    needs_grad = bool(getattr(recipe.family(preset), "needs_grad", False))
    number = default_threads() if threads is None else whole(threads, where="threads", low=1, high=MAX_THREADS)
    watch, reduced = Watch(on_output, stop), (dtype or native_dtype(assembled)) == REDUCED
    with fixed_threads(number), torch.enable_grad() if needs_grad else torch.inference_mode():
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            made = (sample or sampled)(assembled, request, request.settings, watch)
        watch.ask()
        outputs, notes = finished(assembled, request, made)
    now = datetime.now(UTC)
    computed = REDUCED if reduced else _dtype(assembled)
    describe = partial(record, request, outputs, threads=number, dtype=computed, files=files, time=now)
    return Result(recipe.card, outputs, request, describe, notes)


@dataclass(frozen=True)
class Watch:
    """Who looks on: `on_output` sees previews, `stop` may end the work."""

    on_output: Callable[[Output], None] | None = None
    stop: Callable[[], bool] | None = None

    def ask(self) -> None:
        """Stopped where somebody wants no more of it."""
        if self.stop is not None and self.stop():
            raise Stopped

    def see(self, output: Output) -> None:
        self.ask()
        if not output.final and self.on_output is not None:
            self.on_output(output)


def sampled(assembled: Assembled, request: Request, settings: Any, watch: Watch) -> Made:
    """The final outputs of the networks, frame by frame: all that comes before the recipe's finish.

    Of the request it reads the frames and shapes that the recipe makes of it, the conditions that the card calls the network's,
    and the seed; the family reads `settings`.
    """
    recipe = assembled.recipe
    family = recipe.family(assembled.preset)
    made: list[tuple[Frame, Output]] = []
    for frame in recipe.frames(request, assembled.preset):
        watch.ask()
        inputs = encode(assembled, request, frame)
        # Frames are views of one item, so each starts from the same dice.
        rng = torch.Generator().manual_seed(request.seed)
        for output in family.sample(assembled.networks, inputs, rng, settings):
            watch.see(output)
            if output.final:
                check_finite(output, recipe.name)
                made.append((frame, output))
    if not made:
        raise GessoError(
            f"{recipe.name} made no output", where=recipe.name, fix="its family's sample must end with an Output that is final"
        )
    return made


def finished(assembled: Assembled, request: Request, made: Made) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The outputs that the card names, made by the recipe's rules from what the networks gave; and the names of its notes on them."""
    recipe = assembled.recipe
    outputs = dict(recipe.finish(request, made) if recipe.finish else finish(assembled, made))
    is_output = any(out.name == NOTES for out in recipe.card.outputs)
    notes = () if is_output else tuple(map(str, outputs.pop(NOTES, ())))
    if not outputs:
        raise GessoError("the recipe's finish gave nothing", where=recipe.name, fix="give the outputs that the card names")
    return {name: _checked(assembled, name, value) for name, value in outputs.items()}, notes


def encode(assembled: Assembled, request: Request, frame: Frame) -> Inputs:
    """A request's conditions as a sampler's inputs; the null twin keeps what the card requires and drops the rest."""
    given, absent = [], []
    for slot in assembled.recipe.card.conditions:
        if not slot.network:
            continue
        view = frame.with_options({**frame.options, **slot.options})
        ports = slot.kind.encode([request.conditions.get(slot.name)], view)
        given.append(ports)
        absent.append(ports if slot.required else slot.kind.null(view))
    return Inputs(join(given), join(absent), tuple(assembled.recipe.shape(request, frame, assembled.preset)))


def finish(assembled: Assembled, made: Sequence[tuple[Frame, Output]]) -> dict[str, Any]:
    """The last output's media by the card's names; a picture's tensor [1 c h w] in [-1, 1] becomes uint8."""
    media = made[-1][1].media
    outs = assembled.recipe.card.outputs
    if len(outs) == 1 and outs[0].name not in media and len(media) == 1:
        media = {outs[0].name: next(iter(media.values()))}
    missing = [out.name for out in outs if out.name not in media]
    if missing:
        raise GessoError(
            f"{assembled.recipe.name} made {', '.join(media) or 'nothing'}, not {', '.join(missing)}",
            where="finish",
            fix="name the media as the card does, or give the recipe a finish",
        )
    return {out.name: picture_of(media[out.name]) if out.medium == "picture" else media[out.name] for out in outs}


def picture_of(value: Any) -> np.ndarray:
    """uint8 pixels of a picture's tensor, [c h w] or [1 c h w] in [-1, 1], or of pixels themselves."""
    if isinstance(value, Tensor):
        return from_tensor(value[0] if value.ndim == 4 and len(value) == 1 else value)
    return np.asarray(value)


def preview_of(output: Output) -> np.ndarray | None:
    """The first medium of a preview that is a picture's tensor, as pixels."""
    for value in output.media.values():
        if (
            isinstance(value, Tensor)
            and value.is_floating_point()
            and (value.ndim == 3 or (value.ndim == 4 and len(value) == 1))
            and value.shape[-3] in (1, 3, 4)
        ):
            return picture_of(value)
    return None


def check_finite(output: Output, where: str) -> None:
    """GessoError where a medium is NaN, infinite, or has no values."""
    for name, value in output.media.items():
        if not isinstance(value, Tensor):
            continue
        if not value.numel():
            raise GessoError(f"{name!r} came out empty", where=where, fix="look at the recipe's shape and frames")
        if (value.is_floating_point() or value.is_complex()) and not torch.isfinite(value).all():
            raise GessoError(
                f"{name!r} came out with values that are no numbers (NaN or infinity)",
                where=where,
                fix="the weights diverged, or a setting is extreme; try other weights or milder settings",
            )


def _checked(assembled: Assembled, name: str, value: Any) -> Any:
    """An output as it is kept: tensors as arrays on the CPU, read-only; pictures must have pixels, and numbers be finite."""
    recipe = assembled.recipe.name
    medium = next((out.medium for out in assembled.recipe.card.outputs if out.name == name), None)
    if medium is None:
        raise GessoError(
            f"the recipe's finish gave {name!r}, which its card does not name", where=recipe, fix="name every output on the card"
        )
    kept = _kept(value, name, recipe)
    pictures = kept if medium == "pictures" and isinstance(kept, tuple) else (kept,) if medium.startswith("picture") else ()
    for one in pictures:
        if not (isinstance(one, np.ndarray) and one.dtype == np.uint8 and one.ndim in (2, 3)):
            raise GessoError(f"{name!r} is no picture", where=recipe, fix="finish gives pictures as uint8 [h w], [h w 3] or [h w 4]")
    return kept


def _kept(value: Any, name: str, recipe: str) -> Any:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (list, tuple)):
        return tuple(_kept(one, name, recipe) for one in value)
    if isinstance(value, Mapping):
        return {key: _kept(one, name, recipe) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        if not value.size:
            raise GessoError(f"{name!r} came out empty", where=recipe, fix="look at the recipe's shape and frames")
        value = value.view()
        value.flags.writeable = False
    wrong = value.dtype.kind in "fc" and not np.isfinite(value).all() if isinstance(value, np.ndarray | np.generic) else False
    if wrong or (isinstance(value, float) and not math.isfinite(value)):
        raise GessoError(f"{name!r} came out with values that are no numbers (NaN or infinity)", where=recipe)
    return value


def native_dtype(assembled: Assembled) -> str:
    """What the recipe's networks compute in here unless told otherwise, by name."""
    from gesso.training.device import choose_cpu

    return REDUCED if assembled.recipe.native and choose_cpu().autocast is torch.bfloat16 else "float32"


def _dtype(assembled: Assembled) -> str:
    kinds = {str(p.dtype).removeprefix("torch.") for network in assembled.networks.values() for p in network.parameters()}
    return "+".join(sorted(kinds)) or "float32"
