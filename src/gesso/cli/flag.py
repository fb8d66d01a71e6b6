"""The flags of a recipe, made from its card, and the parsing of their values."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from cyclopts import App, Group, Parameter, Token, convert

from gesso.cli.show import words
from gesso.errors import GessoError

if TYPE_CHECKING:
    from gesso.card import Card

MOST_SEEDS = 10_000


def _read_flag(kind: Any, tokens: Sequence[Token]) -> Any:
    """The value of a flag. Whole numbers are parsed here, since cyclopts rounds 1.5 to 2."""
    from gesso.number import parse_whole

    if kind is not int and int not in get_args(kind):
        return convert(kind, tokens)
    if float in get_args(kind):  # a setting that takes both: the settings class checks it
        return typed(tokens[-1].value)
    try:
        return parse_whole(tokens[-1].value)
    except ValueError:
        text = tokens[-1].value
        raise GessoError(f"{text[:60]!r} is not a whole number", where=tokens[-1].keyword or "the command line", fix="2, say") from None


LIKE_ALL: dict[str, Any] = {
    "result_action": "return_value",  # main returns the exit code
    "suppress_keyboard_interrupt": False,
    "default_parameter": Parameter(converter=_read_flag),
}
BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
OPTIONAL = inspect.Parameter.KEYWORD_ONLY
CARD = "card__"  # before the names of conditions and settings, which may be words of Python


def recipe_first(verb: str, name: str) -> str:
    """The recipe's name; GessoError where a flag stands in its place, since the recipe decides the flags."""
    if name.startswith("-"):
        raise GessoError("name the recipe first", where=f"gesso {verb}", fix=f"gesso {verb} RECIPE --…; gesso recipes lists them")
    return name


def app_of_recipe(verb: str, name: str, act: Callable[..., Any], typed: Sequence[str] = ()) -> App:
    """The command of one recipe, `gesso VERB NAME`: the card's conditions and settings, then the flags of `act` itself.

    It calls `act(recipe, given, **flags)`; `given` holds conditions and settings by the card's names. `typed` are the words after
    NAME: for a batch they decide which condition the files fill, and its flag is not shown.
    """
    from gesso.recipes import find

    recipe = find(name)
    card = recipe.card if verb == "fit" else recipe.card.for_generating()
    groups = [Group(kind, sort_key=number) for number, kind in enumerate(("Conditions", "Settings", "Making"))]
    hints = inspect.get_annotations(act, eval_str=True)
    common = [p for p in inspect.signature(act).parameters.values() if p.kind is OPTIONAL]
    parameters = [p.replace(annotation=_making(hints[p.name], groups[2], card)) for p in common]
    filled, usual = (_filled(card, typed), _filled(card)) if verb == "batch" else (None, None)
    own = [*_condition_flags(card, groups[0], filled), *_setting_flags(card, groups[1])]
    names = [p.name.removeprefix(CARD) for p in own] + [p.name for p in common]
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice:
        raise GessoError(f"the name {twice!r} stands for two flags of gesso {verb}", where=name, fix="rename it on the recipe's card")

    def command(**flags: Any) -> Any:
        given = {key.removeprefix(CARD): flags.pop(key) for key in list(flags) if key.startswith(CARD)}
        return act(recipe, _read_values(card, given), **flags)

    command.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in [*own, *parameters]}
    example = _batch_example(card, filled, usual) if verb == "batch" else card.example.replace("gesso generate", f"gesso {verb}", 1)
    text = f"{words(card.title)}. {words(card.summary)}\n\n{example}".strip()
    made = App(name=f"gesso {verb} {name}", help=text, help_format="plaintext", version_flags=(), **LIKE_ALL)
    made.default(command)
    return made


def _making(hint: Any, group: Any, card: Card) -> Any:
    """The annotation of one of the verb's own flags: `{files}` in its help becomes the endings of the card's files."""
    from gesso.media.medium import endings_of

    *most, last = [*endings_of(out.medium for out in card.outputs), ".json"]
    files = f"{', '.join(most)} or {last}" if most else last
    texts = [one.help for one in get_args(hint)[1:] if isinstance(one, Parameter) and one.help]
    return Annotated[hint, Parameter(group=group, help=texts[-1].replace("{files}", files) if texts else None)]


def _filled(card: Card, typed: Sequence[str] = ()) -> str | None:
    """The condition that the files of a batch fill; None where the words typed do not decide it."""
    from gesso.verbs.batch import each_of

    named = [two if one == "--each" else one.partition("=")[2] for one, two in itertools.pairwise((*typed, "")) if one.startswith("--each")]
    try:
        return each_of(card, named[-1] if named else None, {})
    except GessoError:
        return None  # the verb raises it, once it has all values


def _batch_example(card: Card, filled: str | None, usual: str | None) -> str:
    """An example, with … in place of the values of other required conditions."""
    required = [slot.name for slot in card.conditions if slot.required]
    each = filled or next(iter(required), None)
    rest = "".join(f" --{name.replace('_', '-')} …" for name in required if name != each)
    return f"gesso batch {card.name} --folder drawings --out made" + (f" --each {each}" if each and each != usual else "") + rest


def _condition_flags(card: Card, group: Any, filled: str | None = None) -> list[Any]:
    """A flag for each condition. That of the `filled` one is hidden but parsed, so that giving it has an error of its own."""
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
        flags.append(inspect.Parameter(f"{CARD}{slot.name}", OPTIONAL, default=None, annotation=kind))
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
        flags.append(inspect.Parameter(f"{CARD}{name}", OPTIONAL, default=default if plain else None, annotation=kind))
    return flags


def _is_plain(kind: Any) -> bool:
    """Can cyclopts parse this type. Any other setting is parsed by `_read_setting` and the settings class."""
    if get_origin(kind) is Literal or kind in (int, float, str, bool, type(None)):
        return True
    return bool(get_args(kind)) and get_origin(kind) not in (list, tuple, dict, set) and all(_is_plain(one) for one in get_args(kind))


def _read_values(card: Card, flags: dict[str, Any]) -> dict[str, Any]:
    """The values given, by name: a list only where a condition takes several; flags that were left out are left out."""
    given: dict[str, Any] = {}
    kinds = {slot.name: slot.kind for slot in card.conditions}
    for name, value in flags.items():
        if name not in kinds:
            given[name] = _read_setting(card.settings.model_fields[name].annotation, value)
        elif value:
            if len(value) > 1 and not kinds[name].repeatable:
                raise GessoError(f"given {len(value)} times", where=f"--{name.replace('_', '-')}", fix="give it once")
            given[name] = value if kinds[name].repeatable else value[0]
    return given


def _read_setting(kind: Any, value: Any) -> Any:
    """The value of a setting. What is neither number nor word is typed as JSON, or as values between commas."""
    if not isinstance(value, str) or _is_plain(kind):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return typed(value)


def seeds(several: str | None, one: int | None) -> list[int | None]:
    """The numbers of `0-7` or `1,5,9`."""
    if several is None:
        return [one]
    numbers: list[int | None] = []
    for part in several.split(","):
        match = re.fullmatch(r"(\d{1,16})(?:-(\d{1,16}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first + len(numbers) >= MOST_SEEDS:
            raise GessoError(f"{several!r} is no list of seeds", where="--seeds", fix=f"0-7, or 1,5,9; {MOST_SEEDS} at most")
        numbers += range(first, last + 1)
    if one is not None:
        raise GessoError("both --seed and --seeds are given", where="--seeds", fix="give one of them")
    return numbers


def by_recipe(given: Sequence[str] | None) -> dict[str, Path]:
    """Weights by recipe, of texts such as "scene=runs/lego". GessoError where a text is another, or names nothing."""
    found = {}
    for text in given or ():
        name, equals, place = text.partition("=")
        path = Path(place).expanduser().resolve()
        if not (name and equals and place and path.exists()):
            what = f"there is no {place}" if place else f"{text[:60]!r} does not name a recipe and a file"
            raise GessoError(what, where="--weights", fix="RECIPE=FILE, such as scene=runs/lego")
        found[name] = path
    return found


def typed(text: str) -> Any:
    """The value of an option: a number, true or false, several of them between commas, or text."""
    if "," in text:
        return tuple(typed(part) for part in text.split(",") if part)
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def with_files(given: list[str]) -> dict[str, Path] | Path | None:
    """The files of `--with NAME=FILE`, by name, or the folder of `--with FOLDER`."""
    pairs = {name: Path(file) for name, sign, file in (text.partition("=") for text in given) if sign}
    folders = [text for text in given if "=" not in text]
    if len(folders) > 1 or (folders and pairs):
        raise GessoError("give files by name, or one folder", where="--with", fix="--with sketch=cat.png, or --with FOLDER")
    return Path(folders[0]) if folders else pairs or None
