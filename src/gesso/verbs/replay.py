"""Replay: make an output again from the record inside it, and report what differs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gesso import recipes
from gesso.errors import GessoError
from gesso.media.file import read_bytes
from gesso.media.medium import Medium, budget_of, carrier, medium
from gesso.recipes.recipe import Recipe
from gesso.record import Environment, LeftOut, Record, condition_hash, digest, read_record
from gesso.request import Request
from gesso.training.device import find as find_device
from gesso.verbs.assemble import Assembled, GivenWeights, assemble
from gesso.verbs.film_replay import filmed, is_film, replay_film
from gesso.verbs.generate import MAX_THREADS, make
from gesso.verbs.result import Result, check_out

MOST_FILES = 2000  # looked at in a folder given with --with


@dataclass(frozen=True)
class Replay:
    """The result of a replay.

    `equal`: every output has the record's hash. `psnr` in dB of the new picture against the one in the file: inf where
    equal, None where there is none to compare. `differences`: what differs, in sentences, causes first. `changed`: the
    file's pixels are not those it was made with.
    """

    equal: bool
    psnr: float | None
    differences: list[str] = field(default_factory=list)
    changed: bool = False
    result: Result | None = None


def replay(
    path: Path | str,
    out: Path | str | None = None,
    with_files: Mapping[str, Path | str] | Path | str | None = None,
    *,
    weights: GivenWeights = None,
    recipe: Path | str | Recipe | None = None,
    threads: int | None = None,
) -> Replay:
    """Make the output of a .png, .ora, .psd or .json again, from its record alone, and compare it with what the record says.

    Of a film (.mp4, .mov, .mkv) each frame is made again; the film that it was made of lies beside it, or among `with_files`.
    `with_files` gives inputs that were too large to embed: {condition: file}, or a folder to look in. `recipe` is the file
    of a recipe outside the package; `weights` are as for `generate`. Threads are the record's unless given. Writes the new output to
    `out`, if given.
    """
    source = Path(path)
    if out is not None:
        check_out(Path(out))
        if source.exists() and Path(out).exists() and source.samefile(out):
            raise GessoError("the output would overwrite the file that is replayed", where=out, fix="choose another name")
    recipe = None if recipe is None else recipes.find(recipe)  # first, because it may bring the medium of the file
    record = read_record(source)
    assembled = _assembled(record, source, recipe, weights)
    card = assembled.recipe.card
    if is_film(record, card):
        return _film(source, out, record, assembled, with_files, threads)
    given: dict[str, Any] = {**record.request.conditions}
    for name, left in record.left.items():
        given[name] = _missing_input(card.slot(name), name, left, with_files)
    request = Request.from_json(record.request.model_dump() | {"conditions": given, "weights": assembled.hashes}, card)
    number = min(record.made.threads, MAX_THREADS) if threads is None else threads
    result = make(assembled, request, threads=number, dtype=record.made.dtype)
    if out is not None:
        result.write(Path(out))
    return compare(source, record, result)


def _film(
    source: Path,
    out: Path | str | None,
    record: Record,
    assembled: Assembled,
    with_files: Mapping[str, Path | str] | Path | str | None,
    threads: int | None,
) -> Replay:
    if out is not None:
        raise GessoError("a replay compares a film's frames and writes none", where="--out", fix="gesso generate … --video, to write it")
    number = min(record.made.threads, MAX_THREADS) if threads is None else threads
    card = assembled.recipe.card
    each = filmed(record, card)
    if each is None:
        what = f"{record.request.recipe} made this film of its request alone, and such films cannot be replayed yet"
        raise GessoError(what, where=source, fix="gesso inspect shows its request; generate it again and compare")
    others = {name: _missing_input(card.slot(name), name, left, with_files) for name, left in record.left.items() if name != each}
    made = replay_film(source, record, each, assembled, others, with_files, number)
    words = [*made.differences]
    if not made.equal:
        words = [*causes(record, made.again), *words, "the frames came out differently"]
    if made.changed:
        words.append("the file's pictures were changed after it was made")
    return Replay(made.equal, math.inf if made.equal else made.psnr, words, made.changed)


def _assembled(record: Record, source: Path, recipe: Recipe | None, weights: GivenWeights) -> Assembled:
    """The record's recipe with its weights; where they are missing, the error names their hash."""
    asked = record.request
    if recipe is None and asked.recipe not in recipes.names():
        raise GessoError(
            f"it was made with the recipe {asked.recipe!r}, which is not here", where=source, fix="give its file: --recipe mine.py"
        )
    try:
        device = _device_like(record.made.device)
        assembled = assemble(asked.recipe if recipe is None else recipe, preset=asked.preset or None, weights=weights, device=device)
    except GessoError as error:
        if not asked.weights or weights is not None:
            raise
        wanted = ", ".join(f"{name} sha256 {hashed}" for name, hashed in asked.weights.items())
        raise GessoError(f"{error.what}; it was made with weights {wanted}", where=source, fix="give them: --weights FILE") from error
    if assembled.recipe.name != asked.recipe:
        raise GessoError(
            f"the record is of {asked.recipe!r}, not of {assembled.recipe.name!r}", where=source, fix="give the recipe's own file"
        )
    return assembled


def _device_like(name: str) -> str:
    """The device that an output was made on, or the CPU where there is none like it; the comparison says so then."""
    try:
        return str(find_device(name))
    except GessoError:
        return "cpu"


def compare(source: Path, record: Record, result: Result) -> Replay:
    """Compare a file and its record with a result made from the record."""
    new = {name: digest(value) for name, value in result.outputs.items()}
    equal = bool(record.output) and all(name in new and new[name].sha256 == old.sha256 for name, old in record.output.items())
    held, kind, unreadable = _held(source)
    changed = False
    if held is not None and kind is not None and record.output:
        hashes = {old.sha256 for old in record.output.values()}
        if not kind.exact:
            changed = False  # such as a film's: its frames cannot be compared
        elif equal:  # a file's content is not always what the record has a hash of: that of layers is their merged picture
            changed = not any(_same(held, content) for content in _contents(kind, result))
        else:
            changed = kind.digested and digest(held).sha256 not in hashes
    words = [] if equal else causes(record, result.record)
    wrong = [name for name, old in record.output.items() if name not in new or new[name].sha256 != old.sha256]
    if not record.output:
        words.append("the record names no output to compare with")
    elif wrong:
        words.append(f"{' and '.join(wrong)} came out differently")
    if changed:
        words.append("the file's pixels were changed after it was made")
    if unreadable:
        words.append(f"the file's pixels cannot be read any more: {unreadable}")
    psnr = math.inf if equal else _psnr(held, result)
    return Replay(equal, psnr, words, changed or bool(unreadable), result)


def causes(record: Record, again: Record) -> list[str]:
    """Differences in weights, versions and machine, which may be the cause of a different output."""
    words = []
    for name in sorted({*record.request.weights, *again.request.weights}):
        old, new = record.request.weights.get(name), again.request.weights.get(name)
        if old != new:
            words.append(f"weights of {name}: {_brief(old)} then, {_brief(new)} now (give the old ones: --weights FILE)")
    if record.gesso != again.gesso:
        words.append(f"gesso: {record.gesso} then, {again.gesso} now")
    for label in ("threads", "dtype", "device", "cpu", "torch", "numpy", "python", "platform", "libraries"):
        before, now = getattr(record.made, label), getattr(again.made, label)
        if before != now:
            words.append(f"{label}: {_said(label, record.made, again.made)}")
    return words


def _said(label: str, then: Environment, now: Environment) -> str:
    before, after = getattr(then, label), getattr(now, label)
    if label == "libraries":
        changed = sorted({name for name in {*before, *after} if before.get(name) != after.get(name)})
        return ", ".join(f"{name} {before.get(name, 'not said')} then, {after.get(name, 'not used')} now" for name in changed)
    if label != "cpu":
        return f"{before or 'not said'} then, {after} now"
    gone, come = [f for f in before if f not in after], [f for f in after if f not in before]
    return ", ".join([f"{f} then only" for f in gone] + [f"{f} now only" for f in come])


def _brief(hashed: str | None) -> str:
    return "none" if hashed is None else f"sha256 {hashed[:16]}…"


def _held(source: Path) -> tuple[Any, Medium | None, str]:
    """The content of the file and its medium, or the reason why it cannot be read; None for JSON."""
    data = read_bytes(source, budget_of(source).max_bytes)
    kind = carrier(data)
    if kind is None:
        return None, None, ""
    try:
        return kind.decode(data, where=source.name), kind, ""
    except GessoError as error:
        return None, kind, error.what


def _contents(kind: Medium, result: Result) -> Iterator[Any]:
    """What a file would hold, of each output of a medium."""
    for out in result.card.outputs:
        if out.name in result.outputs and medium(out.medium) is kind:
            yield kind.content(result.outputs[out.name])


def _same(one: Any, other: Any) -> bool:
    """Whether two contents are equal: arrays, or mappings and lists of them."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return digest(one).sha256 == digest(other).sha256


def _psnr(held: Any, result: Result) -> float | None:
    """PSNR in dB of two uint8 pictures; None where their shapes differ."""
    new = None if result.shown is None else result.outputs[result.shown]
    if not isinstance(held, np.ndarray) or new is None or held.shape != new.shape:
        return None
    error = np.mean((held.astype(np.float64) - new) ** 2)
    return math.inf if error == 0 else float(10 * np.log10(255**2 / error))


def _missing_input(slot: Any, name: str, left: LeftOut, with_files: Mapping[str, Path | str] | Path | str | None) -> Any:
    """An input that was too large for the record, found among `with_files` by its hash."""
    tried = []
    for file in _candidates(name, left, with_files):
        tried.append(file)
        try:
            value = slot.kind.read(str(file), where=str(file), options=slot.options).model_dump(mode="json")
        except GessoError:
            if isinstance(with_files, Mapping):
                raise
            continue
        if condition_hash(value) == left.sha256:
            return value
    needs = (
        f"{name} (it was called {left.name!r}, {left.size / 1e6:.1f} MB, sha256 {left.sha256[:16]}…) was too large to be kept in the record"
    )
    if tried and isinstance(with_files, Mapping):
        raise GessoError(f"this is not what was given as {name}; {needs}", where=tried[0], fix="give the file that was used")
    fix = f"--with {name}=FILE or --with FOLDER"
    raise GessoError(needs if not tried else f"not among {len(tried)} files: {needs}", where=name, fix=fix)


def _candidates(name: str, left: LeftOut, with_files: Mapping[str, Path | str] | Path | str | None) -> Iterator[Path]:
    if isinstance(with_files, Mapping):
        if name in with_files:
            yield Path(with_files[name])
        return
    if with_files is None:
        return
    folder = Path(with_files)
    if not folder.is_dir():
        raise GessoError("there is no such folder", where=folder, fix=f"--with {name}=FILE or --with FOLDER")
    inside = sorted(path for path in folder.iterdir() if path.is_file())[:MOST_FILES]
    # The name in the record is not trusted: it only decides which file of this folder to try first.
    yield from sorted(inside, key=lambda path: path.name != left.name)
