"""A pipeline of diffusers as one network: the models are its parts, and a task is one of the library's classes over the same parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.networks.hub_parts import Part, libraries, offline, open_part

WORDS, PICTURE, HOLE = "words", "picture", "hole"  # tasks: from words alone, from a picture, and into a hole of a picture
NEEDED = ("prompt", "generator", "num_inference_steps", "output_type", "callback_on_step_end")  # arguments, without which it is not steered
KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "FluxPipeline")  # in an error
LATENT, MOST_SIDE = 128, 2048  # latent pixels of a model that does not say them; pixels
LEAST_MULTIPLE = 8  # of a side's pixels, which many pipelines check
GLIMPSE = 32  # latent pixels of a preview's longer side
OnStep = Callable[[int, Tensor], None]  # (steps done, latents)


def classes_of(kind: str, configs: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, type]:
    """The library's classes by task that can use the parts, with these `configs`, of a pipeline of the class `kind`.

    GessoError for a class that is not known.
    """
    from diffusers.pipelines import auto_pipeline as auto

    maps = {
        WORDS: auto.AUTO_TEXT2IMAGE_PIPELINES_MAPPING,
        PICTURE: auto.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        HOLE: auto.AUTO_INPAINT_PIPELINES_MAPPING,
    }
    families = [name for classes in maps.values() for name, one in classes.items() if one.__name__ == kind]
    found: dict[str, type] = {task: classes[families[0]] for task, classes in maps.items() if families and families[0] in classes}
    found = {task: one for task, one in found.items() if set(NEEDED) <= set(names_of(one))}
    if not found:
        known = sorted({one.__name__ for classes in maps.values() for one in classes.values() if set(NEEDED) <= set(names_of(one))})
        what = f"{kind} is no pipeline that can be steered here"
        raise GessoError(what, where=where, fix=f"one of {len(known)}, such as {', '.join(KNOWN)}")
    reads, makes = configs.get("unet", {}).get("in_channels"), configs.get("vae", {}).get("latent_channels")
    if reads and makes and reads != makes:  # it reads a hole beside the latents, and can do nothing else
        found = {task: one for task, one in found.items() if one.__name__ == kind}
    return found


def facts_of(classes: Mapping[str, type], configs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a card must know of a pipeline: which conditions it takes, the `side` of its squares, and of what its sides are a `multiple`."""
    names = {name for one in classes.values() for name in names_of(one)}
    model = configs.get("unet") or configs.get("transformer") or {}
    vae = configs.get("vae", {})
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4
    latent = model.get("sample_size") or LATENT
    latent, scale = latent[0] if isinstance(latent, list) else latent, 2 ** (len(blocks) - 1)
    return {
        "avoid": "negative_prompt" in names,
        "picture": bool({PICTURE, HOLE} & set(classes)),
        "hole": HOLE in classes,
        "strokes": PICTURE in classes,
        "control": bool({"control_image", "controlnet_conditioning_scale"} & names),
        "side": max(2 * scale, min(int(latent) * scale, MOST_SIDE)),
        "multiple": max(LEAST_MULTIPLE, 2 * scale),
    }


def names_of(task: type) -> tuple[str, ...]:
    """The names of the arguments that a pipeline's class is called with."""
    return tuple(signature(task.__call__).parameters)


class HubPipeline(nn.Module):
    """`parts` by name; `classes` by task. Without parts it is empty, until a folder is opened."""

    def __init__(
        self, classes: Mapping[str, type] | None = None, parts: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.classes, self.options = dict(classes or {}), dict(options or {})
        self.models = nn.ModuleDict({name: part for name, part in (parts or {}).items() if isinstance(part, nn.Module)})
        self.others = {name: part for name, part in (parts or {}).items() if not isinstance(part, nn.Module)}

    def takes(self, task: str, name: str) -> bool:
        return name in names_of(self.classes[task])

    def forward(self, task: str, arguments: Mapping[str, Any], on_step: OnStep | None = None) -> tuple[Tensor, bool]:
        """Pictures [b 3 h w] in [-1, 1] of a task's arguments, and whether the pipeline's own safety checker blanked one.

        `on_step` is called after each step; an exception that it raises ends the work.
        """
        if task not in self.classes:
            raise GessoError(
                "no weights are loaded that can do this", where="--weights", fix="--weights FOLDER, of a pipeline of diffusers"
            )
        pipeline = self.pipeline(task)

        def step(_: Any, number: int, time: Any, values: dict[str, Any]) -> dict[str, Any]:
            if on_step is not None:
                on_step(number + 1, values["latents"])
            return values

        with offline():
            try:
                made = pipeline(**arguments, output_type="pt", callback_on_step_end=step)
            except (
                ValueError,
                TypeError,
                RuntimeError,
                LookupError,
                AttributeError,
                AssertionError,
            ) as error:  # of the library; GessoError is a ValueError
                if isinstance(error, GessoError):
                    raise
                what = f"{type(pipeline).__name__} could not do this: {str(error).strip()[:300]}"
                fix = "other settings, a smaller width and height, or another preset (the number type)"
                raise GessoError(what, where=task, fix=fix) from error
        flagged = getattr(made, "nsfw_content_detected", None) or ()
        return 2 * torch.as_tensor(made.images).float() - 1, any(flagged)

    def glimpse(self, task: str, latents: Tensor, size: tuple[int, int]) -> Tensor | None:
        """What latents show, decoded at a small size: [1 3 h w] in [-1, 1] of `size`; None where they are no map of the decoder's."""
        pipeline = self.pipeline(task)
        vae: Any = self.models["vae"] if "vae" in self.models else None
        scale = getattr(pipeline, "vae_scale_factor", 0)
        if vae is None or not scale:
            return None
        if latents.ndim == 3 and hasattr(pipeline, "_unpack_latents"):
            latents = pipeline._unpack_latents(latents, *size, scale)
        if latents.ndim != 4 or latents.shape[1] != vae.config.get("latent_channels") or "scaling_factor" not in vae.config:
            return None
        h, w = latents.shape[2:]
        share = min(1.0, GLIMPSE / max(h, w))
        small = F.interpolate(latents[:1].float(), (max(1, round(h * share)), max(1, round(w * share))), mode="area")
        small = small / vae.config["scaling_factor"] + (vae.config.get("shift_factor") or 0)
        seen = vae.decode(small.to(vae.dtype), return_dict=False)[0].float().nan_to_num().clamp(-1, 1)
        return F.interpolate(seen, size, mode="bilinear")

    def pipeline(self, task: str) -> Any:
        """A fresh pipeline of a task over the same parts, so that no request leaves anything to the next one."""
        kind: Any = self.classes[task]
        wanted = signature(kind.__init__).parameters
        parts = {**self.models, **self.others, **self.options}
        missing = [n for n, one in wanted.items() if n not in ("self", *parts) and one.default is one.empty and n not in _optional(kind)]
        if missing:
            raise GessoError(f"{kind.__name__} needs the part {missing[0]!r}", where="--weights", fix="give a whole folder")
        given = {name: parts.get(name) for name, one in wanted.items() if name != "self" and (name in parts or one.default is one.empty)}
        schedule = self.others.get("scheduler")
        if schedule is not None and "scheduler" in given:
            given["scheduler"] = type(schedule).from_config(schedule.config)
        made = kind(**given)
        made.set_progress_bar_config(disable=True)
        return made


def open_pipeline(
    path: Path, classes: Mapping[str, type], parts: Mapping[str, Part], options: Mapping[str, Any], dtype: torch.dtype | None
) -> HubPipeline:
    """The pipeline of a checked folder, its numbers in `dtype` (None: as they are stored)."""
    libraries()
    opened = {name: open_part(part, dtype, str(path / name)) for name, part in parts.items()}
    made = HubPipeline(classes, opened, options)
    for task, kind in made.classes.items():  # a part that is missing is told now, not at the first request
        try:
            made.pipeline(task)
        except GessoError:
            raise
        except Exception as error:  # the library's own, of many kinds
            what = f"{kind.__name__} could not be put together: {type(error).__name__}: {str(error).strip()[:300]}"
            raise GessoError(what, where=str(path), fix="give a folder that this version of the library can open") from error
    return made


def _optional(kind: Any) -> tuple[str, ...]:
    return tuple(getattr(kind, "_optional_components", ()))
