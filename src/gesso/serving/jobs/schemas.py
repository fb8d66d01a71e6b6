"""Schemas of job submissions: upload ids and recipe names, never paths; validated before a job is queued."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, RootModel

from gesso.errors import GessoError
from gesso.number import StrictNumbers, Whole
from gesso.request import MAX_SEED, Request
from gesso.serving.decode.input_sanitizer import InputSanitizer
from gesso.serving.http_errors import UnknownId

KEY = Field(default=None, max_length=200)
STORED_ELSEWHERE = {"client", "files", "conditions", "settings", "seed"}  # as names, as files, inside the request
Number = bool | int | float  # pydantic's smart mode keeps true a bool and 1 a number


class _Spec(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    recipe: str = Field(max_length=100)
    preset: str = Field(default="", max_length=100)
    title: str = Field(default="", max_length=200)
    client: str | None = KEY


class InputFile(StrictNumbers):
    """The id of an upload, and the name of the user's file."""

    model_config = ConfigDict(extra="forbid")

    upload: str = Field(max_length=100)
    name: str = Field(default="", max_length=255)


class BatchSpec(_Spec):
    """One request over many pictures. `each` names the condition that they fill; `weights` is the id of your own training job, or the
    SHA-256 of weights of your own."""

    kind: Literal["batch"]
    files: list[InputFile] = Field(min_length=1)
    each: str | None = Field(default=None, max_length=100)
    format: Literal["png", "ora", "psd", "json"] = "png"
    conditions: dict[str, Any] = Field(default_factory=dict, max_length=100)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    weights: str | None = Field(default=None, max_length=100)


class TrainSpec(_Spec):
    """A training on `files`, on one of the server's folders of examples (`data`, a name in the recipe's `folders`), or on the recipe's
    own examples; it resumes where it stopped. `processes` share each batch."""

    kind: Literal["train"]
    files: list[InputFile] = Field(default_factory=list)
    data: str = Field(default="", max_length=200)
    steps: Whole | None = Field(default=None, ge=1, le=10_000_000)
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    processes: Whole = Field(default=1, ge=1, le=64)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)


class FitSpec(_Spec):
    """An output optimised for one request. `data` names one of the server's folders of examples (`folders` of the recipe)."""

    kind: Literal["fit"]
    data: str = Field(default="", max_length=200)
    conditions: dict[str, Any] = Field(default_factory=dict, max_length=100)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    weights: str | None = Field(default=None, max_length=100)


class MeasureSpec(_Spec):
    """A measurement that the recipe defines. `options` are numbers only, so that none can name a file."""

    kind: Literal["measure"]
    which: str | None = Field(default=None, max_length=100)
    files: list[InputFile] = Field(default_factory=list)
    options: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")], Number | list[Number]] = Field(
        default_factory=dict, max_length=20
    )
    weights: str | None = Field(default=None, max_length=100)


class FilmSpec(_Spec):
    """A film, each frame of which is made; `files` holds one upload from POST /api/films. It resumes where it stopped."""

    kind: Literal["film"]
    files: list[InputFile] = Field(min_length=1, max_length=1)
    each: str | None = Field(default=None, max_length=100)
    format: Literal["mp4", "mov", "mkv"] = "mp4"
    conditions: dict[str, Any] = Field(default_factory=dict, max_length=100)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    weights: str | None = Field(default=None, max_length=100)


Spec = BatchSpec | TrainSpec | FitSpec | MeasureSpec | FilmSpec


class JobSpec(RootModel[Annotated[Spec, Field(discriminator="kind")]]):
    """A job. Repeating a `client` key returns the job that the first submission made."""


def check_spec(sanitizer: InputSanitizer, recipe: Any, owner: str, spec: Spec) -> dict[str, Any]:
    """The submission as it is stored for workers: validated, with sanitized conditions. GessoError names the invalid field."""
    preset = recipe.preset(spec.preset or None)
    if isinstance(spec, BatchSpec | FilmSpec):
        from gesso.verbs.batch import check_rest, each_of
        from gesso.verbs.result import check_out

        each = each_of(recipe.card, spec.each, spec.conditions)
        check_rest(recipe.card, each, spec.conditions)
        if isinstance(spec, FilmSpec):
            _check_frames(recipe.card)
        elif spec.format != "png":
            _check_format(lambda: check_out(_name(f"out.{spec.format}"), recipe.card), "format")
        return spec.model_dump(exclude=STORED_ELSEWHERE) | {
            "each": each,
            "request": _request(sanitizer, recipe.card, owner, spec, partly=True),
        }
    if isinstance(spec, FitSpec):
        from gesso.families.family import Fits

        if not isinstance(recipe.family(preset), Fits):
            raise GessoError("makes its output at once: there is nothing to fit", where="recipe", fix="ask for a batch")
        _check_data(spec.data, recipe.name, recipe.data_files if recipe.data is not None else ())
        return spec.model_dump(exclude=STORED_ELSEWHERE) | {"request": _request(sanitizer, recipe.card, owner, spec, partly=False)}
    if isinstance(spec, TrainSpec):
        if not recipe.stages(preset):
            raise GessoError(f"{recipe.name} is not trained", where="recipe", fix="ask for a fit")
        if spec.data and spec.files:
            raise GessoError("are given beside a folder", where="files", fix="give files or data")
        _check_data(spec.data, recipe.name, recipe.data_files)
        return spec.model_dump(exclude=STORED_ELSEWHERE) | {"seed": spec.seed}
    if not recipe.measures or (spec.which is not None and spec.which not in recipe.measures):
        what = f"{recipe.name} has no such measure" if recipe.measures else f"{recipe.name} has no measures"
        raise GessoError(what, where="which", fix=f"one of {', '.join(recipe.measures)}" if recipe.measures else None)
    reserved = sorted({"name", "which", "data", "out", "weights", "preset"} & set(spec.options))
    if reserved:
        raise GessoError("is no option", where=f"options.{reserved[0]}", fix="the measure's own options")
    return spec.model_dump(exclude=STORED_ELSEWHERE)


def _check_data(name: str, recipe: str, patterns: tuple[str, ...]) -> None:
    """Refuse the name of a folder that is not here, or that the recipe does not read."""
    known = names_of_data(patterns) if name else []
    if name and name not in known:
        fix = f"one of {', '.join(known)}" if known else "leave it out"
        raise GessoError(f"there is no folder {name[:60]!r} for {recipe}", where="data", fix=fix)


def names_of_data(patterns: tuple[str, ...]) -> list[str]:
    """The names of this machine's folders of examples with files of these patterns."""
    from gesso.verbs.data import holds, places

    found = (path for place in places() if place.is_dir() for path in sorted(place.iterdir()) if path.is_dir())
    return list(dict.fromkeys(path.name for path in found if holds(path, patterns)))


def _check_frames(card: Any) -> None:
    if not any(out.medium == "picture" for out in card.outputs):
        raise GessoError(f"{card.name} makes no picture", where="recipe", fix="choose a recipe that makes pictures of pictures")


def _request(sanitizer: InputSanitizer, card: Any, owner: str, spec: BatchSpec | FilmSpec | FitSpec, *, partly: bool) -> dict[str, Any]:
    """The request as JSON; `partly`: required conditions may be missing, as files fill one of them."""
    values = {name: sanitizer.condition(owner, card.slot(name), value) for name, value in spec.conditions.items() if value is not None}
    if partly:
        card = card.for_parts()
    return Request.build(card, values, seed=spec.seed, settings=spec.settings).to_json()


def clean_name(name: str, number: int) -> str:
    """A file's name without folders and control characters, for display and for zip files."""
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r'[\x00-\x1f\x7f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]', "_", last).strip(" .")
    plain = plain.encode("utf-8", "replace").decode()
    return plain[:120] or f"{number}.png"


def _name(name: str) -> Any:
    from pathlib import Path

    return Path(name)


def _check_format(check: Any, where: str) -> None:
    try:
        check()
    except GessoError as error:
        raise GessoError(error.what, where=where, fix="png") from None


def unknown(what: str) -> UnknownId:
    return UnknownId(f"there is no such {what}", where=what)
