"""Generate: from a recipe's name and values to outputs with their record.

`generate` is the whole path, as the command line takes it. `make` is the part from one request to one result; a memory of earlier
requests (`gesso.verbs.incremental`) puts the same steps together, `sample` and `finish`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gesso import recipes
from gesso.errors import GessoError, Stopped
from gesso.families.family import Fits, Inputs, Output, Samples
from gesso.media.medium import medium
from gesso.number import whole
from gesso.ports import Frame, join
from gesso.recipes.recipe import Recipe
from gesso.record import record
from gesso.request import Request
from gesso.training.device import multiplies_bfloat16
from gesso.verbs.assemble import Assembled, GivenWeights, places
from gesso.verbs.read_request import assemble_for, files_of, read_request, request_of
from gesso.verbs.result import Result, named_files, output_paths, refuse_overwriting, signer
from gesso.verbs.thread import default_threads, fixed_threads

MAX_THREADS = 256
REDUCED = "bfloat16"
NOTES = "notes"  # names of notes for the user that a recipe's finish gives beside its outputs; their words are on the card
Sampled = Sequence[tuple[Frame, Output]]  # the final outputs of the networks, frame by frame


def generate(
    recipe: Recipe | str | Path,
    given: Mapping[str, Any],
    *,
    out: Path | None = None,
    seeds: Sequence[int | None] = (None,),
    take: str | None = None,
    base: Path | None = None,
    merge: Sequence[Path] = (),
    preset: str | None = None,
    weights: GivenWeights = None,
    threads: int | None = None,
    device: str | None = None,
    mark: bool = False,
    on_output: Callable[[Output], None] | None = None,
) -> Iterator[tuple[Path | None, Result]]:
    """Make one output for each seed, write it, and yield its path with the result; no path where nothing is written.

    `given` holds conditions and settings by the card's names. `out` may contain {seed}; without it a new name is chosen, and
    recipes without pictures write nothing. `base` is a request's JSON or an output made before; `given` overrides what it
    holds, and `merge` are more such files, whose hints and other conditions are joined with its own. `take` names the output to write,
    if not the first picture. `device` is where networks run, such as "cpu" or "cuda" (None: what is there). `mark` signs the file as
    content credentials.
    GessoError before any work is done where a name, a file or a value is wrong.
    """
    found = recipes.find(recipe)
    paths = output_paths(out, found.card, seeds)
    refuse_overwriting(paths, [*named_files(given), base, *merge, *places(weights)])
    marker = signer(paths) if mark else None
    file = None if base is None else read_request(base, found.name)
    assembled = assemble_for(found, preset=preset, weights=weights, base=file, device=device)
    if merge and file is None:
        raise GessoError("there is nothing to merge it with", where="--merge", fix="--request FILE --merge FILE")
    merged = [read_request(one, found.name) for one in merge]
    requests = [request_of(assembled, given, seed=seed, base=file, merged=merged) for seed in seeds]
    for path, request in zip(paths, requests, strict=True):
        result = make(assembled, request, on_output=on_output, threads=threads, files=files_of(found.card, given))
        if path is not None:
            result.write(path, take, mark=marker)
        yield path, result


def make(
    assembled: Assembled,
    request: Request,
    *,
    on_output: Callable[[Output], None] | None = None,
    threads: int | None = None,
    dtype: str | None = None,
    files: Mapping[str, str] | None = None,
    stop: Callable[[], bool] | None = None,
    on_final: Callable[[Output], None] | None = None,
    data: Any = None,
    fitting: bool = False,
    state: Mapping[str, Tensor] | None = None,
) -> Result:
    """The outputs of one request, one item a forward pass, and what their record says.

    `on_output` is called with each preview (an Output that is not final). `threads` (None: one a processor, at most 4) is
    torch's number of threads while this runs, and `dtype` the number type of the networks, "float32" or "bfloat16" (None:
    `native_dtype`): both change last bits, so the record has them. `files` {condition: file's name} goes into the record.
    `stop` is called between frames and steps; once it returns true, Stopped is raised. `fitting` makes a family that can do both fit,
    on the examples `data`, instead of sample, and go on from a `state`.
    GessoError where the request is for another recipe, or an output is missing, empty or not finite.
    """
    callbacks = Callbacks(on_output, stop, on_final)
    run = method_of(assembled, fitting)
    with computing(assembled, request, threads, dtype, grad=run.__name__ == "fit") as numbers:
        sampled = sample(assembled, request, numbers.dtype, callbacks, run=run, data=data, state=state)
        callbacks.check_stop()
        outputs, notes = finish(assembled, request, sampled)
    return described(assembled, request, outputs, notes, numbers, files)


@dataclass(frozen=True)
class Numbers:
    """What changes last bits: torch's number of threads, and the number type in which networks compute."""

    threads: int
    dtype: str
    device: str = "cpu"


def method_of(assembled: Assembled, fitting: bool = False) -> Callable[..., Iterator[Output]]:
    """The family's method that makes outputs: `sample`, or `fit` where it is asked for or the family has no other."""
    family = assembled.recipe.family(assembled.preset)
    if isinstance(family, Samples) and not (fitting and isinstance(family, Fits)):
        return family.sample
    if not isinstance(family, Fits):
        raise GessoError("its family neither samples nor fits", where=assembled.recipe.name, fix="give it a method `sample`")
    return family.fit


@contextmanager
def computing(
    assembled: Assembled, request: Request, threads: int | None = None, dtype: str | None = None, *, grad: bool | None = None
) -> Iterator[Numbers]:
    """Torch set up to make `request`: the number of threads, and gradients only while something is fitted."""
    recipe = assembled.recipe
    if request.recipe != recipe.name:
        raise GessoError(f"this request is for {request.recipe!r}, not {recipe.name!r}", where="request")
    number = default_threads() if threads is None else whole(threads, where="threads", low=1, high=MAX_THREADS)
    grad = method_of(assembled).__name__ == "fit" if grad is None else grad
    with fixed_threads(number), torch.enable_grad() if grad else torch.inference_mode():
        yield Numbers(number, dtype or native_dtype(assembled), str(assembled.device))


@dataclass(frozen=True)
class Callbacks:
    """Functions to call while networks run: `on_output` with each preview, `on_final` with each last; `stop` returns true to end it.

    `on_draft`, where there is one, is called with a preview that is a draft instead, and what was sampled before it.
    """

    on_output: Callable[[Output], None] | None = None
    stop: Callable[[], bool] | None = None
    on_final: Callable[[Output], None] | None = None
    on_draft: Callable[[Sampled], None] | None = None

    def check_stop(self) -> None:
        """Raise Stopped where `stop` returns true."""
        if self.stop is not None and self.stop():
            raise Stopped

    def see(self, output: Output, frame: Frame, before: Sampled) -> None:
        self.check_stop()
        if output.draft and self.on_draft is not None:
            self.on_draft([*before, (frame, on_cpu(output))])
            return
        seen = self.on_final if output.final else self.on_output
        if seen is not None:
            seen(output)


def sample(
    assembled: Assembled,
    request: Request,
    dtype: str,
    callbacks: Callbacks,
    settings: Any = None,
    *,
    run: Callable[..., Iterator[Output]] | None = None,
    data: Any = None,
    state: Mapping[str, Tensor] | None = None,
) -> Sampled:
    """The final outputs of the networks, frame by frame: everything before the recipe's finish.

    It reads the frames and shapes that the recipe makes of the request, the conditions that the card gives to networks, and
    the seed. The family reads `settings` (None: the request's). Networks run on the device that they are on; the outputs are on the
    CPU.
    """
    recipe, device = assembled.recipe, assembled.device
    run, settings = run or method_of(assembled), request.settings if settings is None else settings
    sampled: list[tuple[Frame, Output]] = []
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == REDUCED):
        for frame in recipe.frames(request, assembled.preset):
            callbacks.check_stop()
            inputs = replace(encode(assembled, request, frame), data=data, previews=callbacks.on_output is not None)
            inputs = inputs if state is None else replace(inputs, state=state)
            inputs = inputs if device.type == "cpu" else inputs.to(device)
            # Frames are views of one item, so each starts with the same random numbers.
            rng = torch.Generator().manual_seed(request.seed)
            with ended(run(assembled.networks, inputs, rng, settings)) as outputs:
                for output in outputs:
                    callbacks.see(output, frame, sampled)
                    if output.final:
                        check_finite(output, recipe.name)
                        sampled.append((frame, output if device.type == "cpu" else on_cpu(output)))
    if not sampled:
        raise GessoError(
            f"{recipe.name} made no output", where=recipe.name, fix="its family's sample must end with an Output that is final"
        )
    return sampled


@contextmanager
def ended(outputs: Iterator[Output]) -> Iterator[Iterator[Output]]:
    """A family's outputs, whose work is ended where one of them, or the user, is the last."""
    try:
        yield outputs
    finally:
        close = getattr(outputs, "close", None)  # a generator has it, another iterator may not
        if close is not None:
            close()


def finish(assembled: Assembled, request: Request, sampled: Sampled) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The card's outputs, made by the recipe's rules from what the networks gave, and the names of its notes for the user."""
    recipe = assembled.recipe
    outputs = dict(recipe.finish(request, sampled) if recipe.finish else named_media(assembled, sampled))
    is_output = any(out.name == NOTES for out in recipe.card.outputs)
    notes = () if is_output else tuple(map(str, outputs.pop(NOTES, ())))
    if not outputs:
        raise GessoError("the recipe's finish gave nothing", where=recipe.name, fix="give the outputs that the card names")
    return {name: _checked(assembled, name, value) for name, value in outputs.items()}, notes


def described(
    assembled: Assembled,
    request: Request,
    outputs: Mapping[str, Any],
    notes: tuple[str, ...],
    numbers: Numbers,
    files: Mapping[str, str] | None = None,
) -> Result:
    """The outputs as a result, whose record is written when it is first read."""
    dtype = REDUCED if numbers.dtype == REDUCED else parameter_dtype(assembled)
    used: dict[str, str] = {}
    for card in assembled.cards.values():
        used |= card.get("libraries", {})
    how: dict[str, Any] = {"threads": numbers.threads, "dtype": dtype, "device": numbers.device, "files": files, "libraries": used}
    describe = partial(record, request, outputs, **how, time=datetime.now(UTC))
    return Result(assembled.recipe.card, outputs, request, describe, notes)


def encode(assembled: Assembled, request: Request, frame: Frame) -> Inputs:
    """A request's conditions as a family's inputs. The null inputs, for guidance, keep only the conditions that the card requires."""
    given, absent, names = [], [], []
    for slot in assembled.recipe.card.conditions:
        if not slot.network:
            continue
        view = frame.with_options({**frame.options, **slot.options})
        ports = slot.kind.encode([request.conditions.get(slot.name)], view)
        given.append(ports)
        absent.append(ports if slot.required else slot.kind.null(view))
        names.append(slot.name)
    shape = tuple(assembled.recipe.shape(request, frame, assembled.preset))
    return Inputs(join(given, names), join(absent, names), shape, state=assembled.state, facts=assembled.recipe.known)


def on_cpu(output: Output) -> Output:
    """An output whose tensors are on the CPU, where a recipe's finish reads them."""
    media, taps = ({k: v.cpu() if isinstance(v, Tensor) else v for k, v in part.items()} for part in (output.media, output.taps))
    return replace(output, media=media, taps=taps)


def named_media(assembled: Assembled, sampled: Sampled) -> dict[str, Any]:
    """The last output's media by the card's names. A picture's tensor [1 c h w] in [-1, 1] becomes uint8."""
    media = sampled[-1][1].media
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
    return {out.name: medium(out.medium).of(media[out.name]) for out in outs}


def preview_of(output: Output) -> np.ndarray | None:
    """The first medium of a preview that is a picture's tensor, as pixels."""
    for value in output.media.values():
        if (
            isinstance(value, Tensor)
            and value.is_floating_point()
            and (value.ndim == 3 or (value.ndim == 4 and len(value) == 1))
            and value.shape[-3] in (1, 3, 4)
        ):
            return np.asarray(medium("picture").of(value))
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
    """An output as the result holds it: read-only arrays. GessoError where a picture is not uint8 or a number is not finite."""
    recipe = assembled.recipe.name
    named = next((out.medium for out in assembled.recipe.card.outputs if out.name == name), None)
    if named is None:
        raise GessoError(
            f"the recipe's finish gave {name!r}, which its card does not name", where=recipe, fix="name every output on the card"
        )
    kept = _kept(value, name, recipe)
    medium(named).check(kept, where=name, recipe=recipe)
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
    """The number type in which the recipe's networks compute on this machine, by name: "float32" or "bfloat16"."""
    return REDUCED if assembled.recipe.native and multiplies_bfloat16(assembled.device) else "float32"


def parameter_dtype(assembled: Assembled) -> str:
    """The number types of the networks' parameters, by name."""
    kinds = {str(p.dtype).removeprefix("torch.") for network in assembled.networks.values() for p in network.parameters()}
    return "+".join(sorted(kinds)) or "float32"
