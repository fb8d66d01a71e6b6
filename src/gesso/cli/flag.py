"""A recipe's own flags, made from its card, and what was typed read into values."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from cyclopts import App, Group, Parameter, Token, convert

from gesso.cli.show import words
from gesso.errors import GessoError

if TYPE_CHECKING:
    from gesso.card import Card
    from gesso.marking.marker import Marker

MOST_SEEDS = 10_000


def _read_flag(kind: Any, tokens: Sequence[Token]) -> Any:
    """A flag's value. Whole numbers are read here, since cyclopts rounds 1.5 to 2."""
    from gesso.number import parse_whole

    if kind is not int and int not in get_args(kind):
        return convert(kind, tokens)
    if float in get_args(kind):  # a setting that takes either: its own class decides
        return typed(tokens[-1].value)
    try:
        return parse_whole(tokens[-1].value)
    except ValueError:
        said = tokens[-1].value
        raise GessoError(f"{said[:60]!r} is no whole number", where=tokens[-1].keyword or "the command line", fix="2, say") from None


LIKE_ALL: dict[str, Any] = {
    "result_action": "return_value",  # main says how it ended
    "suppress_keyboard_interrupt": False,
    "default_parameter": Parameter(converter=_read_flag),
}
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
OPTIONAL = inspect.Parameter.KEYWORD_ONLY


def app_of_recipe(verb: str, name: str, act: Callable[..., Any], typed: Sequence[str] = ()) -> App:
    """The command of one recipe, `gesso VERB NAME`: the card's conditions and settings, then the flags of `act` itself.

    `act(name, card, conditions, settings, **flags)` is called with what was given. `typed` is what follows on the line: of a batch it
    says which condition the files fill, which is then not shown as a flag.
    """
    from gesso.recipes import find

    card = find(name).card
    groups = [Group(kind, sort_key=number) for number, kind in enumerate(("Conditions", "Settings", "Making"))]
    hints = inspect.get_annotations(act, eval_str=True)
    common = [p for p in inspect.signature(act).parameters.values() if p.kind is OPTIONAL]
    parameters = [p.replace(annotation=Annotated[hints[p.name], Parameter(group=groups[2])]) for p in common]
    filled, usual = (_filled(card, typed), _filled(card)) if verb == "batch" else (None, None)
    own = [*_condition_flags(card, groups[0], filled), *_setting_flags(card, groups[1])]
    names = [p.name.partition("__")[2] for p in own] + [p.name for p in common]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice:
        raise GessoError(f"the name {twice!r} stands for two flags of gesso {verb}", where=name, fix="rename it on the recipe's card")

    def command(**given: Any) -> Any:
        conditions = {key.removeprefix("condition__"): value for key, value in given.items() if key.startswith("condition__")}
        settings = {key.removeprefix("setting__"): value for key, value in given.items() if key.startswith("setting__")}
        rest = {key: value for key, value in given.items() if "__" not in key}
        return act(name, card, _conditions(card, conditions), _settings(card, settings), **rest)

    command.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in [*own, *parameters]}
    example = _batch_example(card, filled, usual) if verb == "batch" else card.example.replace("gesso generate", f"gesso {verb}", 1)
    text = f"{words(card.title)}. {words(card.summary)}\n\n{example}".strip()
    made = App(name=f"gesso {verb} {name}", help=text, help_format="plaintext", version_flags=(), **LIKE_ALL)
    made.default(command)
    return made


def _filled(card: Card, typed: Sequence[str] = ()) -> str | None:
    """The condition that the files of a batch fill, as far as the line says; None where it does not."""
    from gesso.verbs.batch import each_of

    named = [two if one == "--each" else one.partition("=")[2] for one, two in itertools.pairwise((*typed, "")) if one.startswith("--each")]
    try:
        return each_of(card, named[-1] if named else None, {})
    except GessoError:
        return None  # it is said once the rest is known


def _batch_example(card: Card, filled: str | None, usual: str | None) -> str:
    """A line that works once the rest of what is required takes the place of its dots."""
    required = [slot.name for slot in card.conditions if slot.required]
    each = filled or next(iter(required), None)
    rest = "".join(f" --{name.replace('_', '-')} …" for name in required if name != each)
    return f"gesso batch {card.name} --folder drawings --out made" + (f" --each {each}" if each and each != usual else "") + rest


def _condition_flags(card: Card, group: Any, filled: str | None = None) -> list[Any]:
    """A flag each; that of the condition which files fill is read, so that giving it is told from a misspelling, and not shown."""
    flags = []
    for slot in card.conditions:
        more = [word for word, holds in (("required", slot.required), ("may be repeated", slot.kind.repeatable)) if holds]
        text = ": ".join(filter(None, [words(slot.help), slot.kind.notation])) + (f" [{', '.join(more)}]" if more else "")
        kind = Annotated[
            list[str] | None,
            Parameter(
                name=f"--{slot.name.replace('_', '-')}", help=text, group=group, negative=(), show_default=False, show=slot.name != filled
            ),
        ]
        flags.append(inspect.Parameter(f"condition__{slot.name}", OPTIONAL, default=None, annotation=kind))
    return flags


def _setting_flags(card: Card, group: Any) -> list[Any]:
    flags = []
    for name, info in card.settings.model_fields.items():
        bounds = [f"{label} {getattr(rule, key)}" for rule in info.metadata for key, label in BOUNDS.items() if hasattr(rule, key)]
        text = words(card.setting_words(name).get("help", {})) + (f" [{', '.join(bounds)}]" if bounds else "")
        default = None if info.is_required() else info.get_default(call_default_factory=True)
        if default is not None:
            text += f" [default: {','.join(map(str, default)) if isinstance(default, (list, tuple)) else default}]"
        plain = _is_plain(info.annotation)
        kind = Annotated[
            info.annotation if plain else str | None,
            Parameter(name=f"--{name.replace('_', '-')}", help=text.strip(), group=group, show_default=False),
        ]
        flags.append(inspect.Parameter(f"setting__{name}", OPTIONAL, default=default if plain else None, annotation=kind))
    return flags


def _is_plain(kind: Any) -> bool:
    """May the command line read it by itself; anything else is given as text, which the settings' own class reads."""
    if get_origin(kind) is Literal or kind in (int, float, str, bool, type(None)):
        return True
    return bool(get_args(kind)) and get_origin(kind) not in (list, tuple, dict, set) and all(_is_plain(one) for one in get_args(kind))


def _conditions(card: Card, given: dict[str, list[str] | None]) -> dict[str, Any]:
    """What the flags gave, by condition; several values only where the kind takes several."""
    values: dict[str, Any] = {}
    for name, texts in given.items():
        if not texts:
            continue
        if len(texts) > 1 and not card.slot(name).kind.repeatable:
            raise GessoError(f"given {len(texts)} times", where=f"--{name.replace('_', '-')}", fix="give it once")
        values[name] = texts if card.slot(name).kind.repeatable else texts[0]
    return values


def _settings(card: Card, given: dict[str, Any]) -> dict[str, Any]:
    """Settings that are neither numbers nor words come as text: JSON, or values between commas."""
    read = dict(given)
    for name, value in given.items():
        if isinstance(value, str) and not _is_plain(card.settings.model_fields[name].annotation):
            try:
                read[name] = json.loads(value)
            except ValueError:
                read[name] = typed(value)
    return read


def seeds(several: str | None, one: int | None) -> list[int | None]:
    """`0-7` or `1,5,9` as numbers."""
    if several is None:
        return [one]
    numbers: list[int | None] = []
    for part in several.split(","):
        match = re.fullmatch(r"(\d{1,16})(?:-(\d{1,16}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first + len(numbers) >= MOST_SEEDS:
            raise GessoError(f"{several!r} are no seeds", where="--seeds", fix=f"0-7, or 1,5,9; {MOST_SEEDS} at most")
        numbers += range(first, last + 1)
    if one is not None:
        raise GessoError("both --seed and --seeds are given", where="--seeds", fix="give one of them")
    return numbers


def outs(out: Path | None, card: Card, seeds: list[int | None]) -> list[Path | None]:
    """A file for each seed; without --out a new name here, or nothing (print it) where the recipe makes no picture."""
    from gesso.verbs.result import check_out

    if out is None:
        if not any(one.medium == "picture" for one in card.outputs):
            return [None] * len(seeds)
        out = next(path for number in itertools.count(1) if not (path := Path(f"{card.name}-{number}.png")).exists())
    paths: list[Path | None] = []
    for seed in seeds:
        if "{seed}" in out.name:
            path = out.with_name(out.name.replace("{seed}", str(seed or 0)))
        else:
            path = out if len(seeds) == 1 else out.with_name(f"{out.stem}-{seed}{out.suffix}")
        check_out(path, card)
        paths.append(path)
    return paths


def texts(conditions: dict[str, Any]) -> Iterator[str]:
    """All that was given as conditions, and its parts between commas: any of it may be a file."""
    for value in conditions.values():
        for text in value if isinstance(value, list) else [value]:
            yield from (text, *text.split(","))


def typed(text: str) -> Any:
    """An option's value: a number, true or false, several of them between commas, or text."""
    if "," in text:
        return tuple(typed(part) for part in text.split(",") if part)
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def with_files(given: list[str]) -> dict[str, Path] | Path | None:
    pairs = {name: Path(file) for name, sign, file in (text.partition("=") for text in given) if sign}
    folders = [text for text in given if "=" not in text]
    if len(folders) > 1 or (folders and pairs):
        raise GessoError("give files by name, or one folder", where="--with", fix="--with sketch=cat.png, or --with FOLDER")
    return Path(folders[0]) if folders else pairs or None


def marker(paths: Iterable[Path | None]) -> Marker:
    """This machine's signer; GessoError, before any work is done, where it cannot sign what is to be written there."""
    from gesso.marking.home import SIGNING, default_home
    from gesso.marking.marker import Marker

    for path in paths:
        if path is None or path.suffix.lower() not in (".png", ".ora", ".psd"):
            raise GessoError("only pictures carry content credentials", where="--mark", fix="--out picture.png, .ora or .psd")
    made = Marker(default_home() / SIGNING)
    why = made.told()["why"]
    if why is not None:
        raise GessoError(f"outputs cannot be signed here: {why}", where="--mark", fix="leave --mark out")
    return made
