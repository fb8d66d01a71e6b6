"""Sampling by a pipeline of another library, which has its own loop: what is given becomes its arguments, its steps become previews."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gesso.errors import GessoError
from gesso.families.family import Inputs, Networks, Output, item_generators
from gesso.media.subwords import BYTES, subwords
from gesso.ports import Ports

IMAGE, FLAGGED = "image", "flagged"
WORDS, PICTURE, HOLE = "words", "picture", "hole"


@dataclass(frozen=True)
class Piped:
    """Conditions by the names of their slots: `words` and `avoid` (ids of the vocabulary "bytes"), `picture` (three channels and which of
    it is known), `hole`, `strokes` (colours and where they are), `control` (as `picture`).

    Strokes are laid over the picture, or over grey where there is none, and what is not known of a picture is a hole of it. From words
    alone, from a picture, or into a hole: the request decides which of the pipeline's tasks is done.
    networks: "pipeline" (`gesso.networks.hub_pipeline`).
    """

    words: str = "words"
    avoid: str = "avoid"
    picture: str = "picture"
    hole: str = "hole"
    strokes: str = "strokes"
    control: str = "control"

    def sample(self, networks: Networks, inputs: Inputs, rng: torch.Generator, settings: Any) -> Iterator[Output]:
        """Yield a preview after each step, then the picture [b 3 h w] in [-1, 1], with the tap `flagged`, 1 where it was blanked."""
        pipeline: Any = networks["pipeline"]
        start, unknown = self._start(inputs)
        task = WORDS if start is None else HOLE if unknown.any() and HOLE in pipeline.classes else PICTURE
        if task == PICTURE and settings.num_steps * settings.strength < 1 and start is not None:
            yield Output({IMAGE: start}, {FLAGGED: torch.zeros(1)})  # not a single step is taken
            return
        if pipeline.classes and task not in pipeline.classes:
            raise GessoError(
                "these weights need a picture and a hole in it", where=self.picture, fix="--picture photo.png --hole 'x,y x,y'"
            )
        arguments = self._arguments(pipeline, task, inputs, start, unknown, settings)
        arguments["generator"] = item_generators(rng.initial_seed(), inputs.items)
        size, total = (inputs.shape[2], inputs.shape[3]), settings.num_steps

        def work(show: Callable[[Output], None]) -> Output:
            def step(number: int, latents: Tensor) -> None:
                seen = pipeline.glimpse(task, latents, size) if inputs.previews else None
                show(Output({} if seen is None else {IMAGE: seen}, final=False, step=number, num_steps=max(total, number)))

            made, flagged = pipeline(task, arguments, step)
            return Output({IMAGE: made}, {FLAGGED: torch.tensor([float(flagged)])}, step=total, num_steps=total)

        yield from in_turns(work)

    def _start(self, inputs: Inputs) -> tuple[Tensor | None, Tensor]:
        """The picture to begin with [b 3 h w] in [-1, 1] (None: there is none), and what shall be made anew of it [b 1 h w] bool."""
        slots = inputs.ports.by_slot
        picture, strokes, hole = (slots[name].spatial if name in slots else None for name in (self.picture, self.strokes, self.hole))
        known = None if picture is None or not picture[:, -1].any() else picture[:, -1:] > 0
        b, _, h, w = inputs.shape
        unknown = torch.zeros(b, 1, h, w, dtype=torch.bool) if known is None else ~known.cpu()
        if known is not None and hole is not None:
            unknown = unknown | (hole > 0).cpu()
        start = None if known is None or picture is None else picture[:, :-1]
        if strokes is not None and strokes[:, -1].any():
            start = torch.zeros_like(strokes[:, :-1]) if start is None else start
            start = torch.where(strokes[:, -1:] > 0, strokes[:, :-1], start)
        return start, unknown

    def _arguments(self, pipeline: Any, task: str, inputs: Inputs, start: Tensor | None, unknown: Tensor, settings: Any) -> dict[str, Any]:
        """The arguments of a task, by the names of the library, as far as this pipeline has them."""
        slots, b = inputs.ports.by_slot, inputs.shape[0]
        told: dict[str, Any] = {"prompt": texts_of(slots[self.words]) if self.words in slots else [""] * b}
        told |= {"height": inputs.shape[2], "width": inputs.shape[3], "num_inference_steps": settings.num_steps}
        told |= {"guidance_scale": settings.guidance_scale, "strength": 1.0 if task == HOLE else settings.strength}  # a hole is made anew
        avoid = texts_of(slots[self.avoid]) if self.avoid in slots else [""]
        if any(avoid):
            told["negative_prompt"] = avoid
            if pipeline.takes(task, "true_cfg_scale"):  # guidance of its own stays at the pipeline's default
                told["true_cfg_scale"] = told.pop("guidance_scale")
        if start is not None:
            told |= {"image": unsigned(start), "mask_image": unknown.float()}
        control = slots[self.control].spatial if self.control in slots else None
        if control is not None:
            seen = unsigned(control[:, :-1])
            shown = 1 - seen if settings.control_lines else seen
            given = bool(control[:, -1].any())  # without one the control network has no say
            told["control_image" if pipeline.takes(task, "control_image") else "image"] = shown
            told["controlnet_conditioning_scale"] = settings.control_scale if given else 0.0
        return {name: value for name, value in told.items() if pipeline.takes(task, name)}


def texts_of(ports: Ports) -> list[str]:
    """The texts behind the ids of the vocabulary "bytes"; "" for a text that is not given."""
    assert ports.tokens is not None and ports.tokens.ids is not None
    return [subwords(BYTES).decode(row) for row in ports.tokens.ids.tolist()]


def unsigned(pictures: Tensor) -> Tensor:
    """[-1, 1] to [0, 1], as the library reads pictures."""
    return ((pictures + 1) / 2).clamp(0, 1)


class _Ended(BaseException):
    """Raised inside the work after the caller has stopped."""


def in_turns(work: Callable[[Callable[[Output], None]], Output]) -> Iterator[Output]:
    """What `work` shows, then what it returns, one by one: it runs in a thread of its own, and waits while the caller looks.

    An error of the work is raised here. Where the caller stops looking, the work ends at its next step.
    """
    made: queue.SimpleQueue[tuple[Output | None, BaseException | None]] = queue.SimpleQueue()
    go, ended, threads, grad = threading.Semaphore(0), threading.Event(), torch.get_num_threads(), torch.is_grad_enabled()

    def show(output: Output) -> None:
        made.put((output, None))
        go.acquire()
        if ended.is_set():
            raise _Ended

    def run() -> None:
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode(not grad):
                made.put((work(show), None))
        except BaseException as error:
            made.put((None, error))

    thread = threading.Thread(target=run, name="gesso-pipeline", daemon=True)
    thread.start()
    try:
        while True:
            output, error = made.get()
            if error is not None:
                raise error
            assert output is not None
            yield output
            if output.final:
                return
            go.release()
    finally:
        ended.set()
        go.release()
        thread.join()
