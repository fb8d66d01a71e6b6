"""Batch: one request for all drawings of a folder. A rerun keeps finished outputs, a bad file is skipped, and a sheet shows them all."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gesso.card import Card
from gesso.conditions.condition import Condition
from gesso.errors import GessoError, Stopped
from gesso.marking.marker import Marker, SignedFile
from gesso.marking.signing_request import FORMATS
from gesso.media.budget import DEFAULT
from gesso.media.file import read_bytes, write_atomic
from gesso.media.grid import contact_sheet
from gesso.media.medium import medium, sidecar_of
from gesso.media.picture import encode_png, read_picture
from gesso.recipes.recipe import Recipe
from gesso.record import encoded
from gesso.request import Request
from gesso.storage.lock import locked
from gesso.verbs.generate import make
from gesso.verbs.load import Model, load
from gesso.verbs.read_request import split
from gesso.verbs.result import Result, check_out, make_folder, signer

JOURNAL, SHEET, THUMBS = "batch.jsonl", "contact-sheet", ".thumbs"
THUMB, COLUMNS, ON_A_SHEET = 160, 8, 400
OURS = re.compile(rf"{re.escape(JOURNAL)}|{SHEET}(-[0-9]+)?\.[a-z0-9]+")  # names of the batch's own files
MOST_BYTES = 2**30  # of an output, which may be larger than an input may be
DONE, FAILED, WRITING = "done", "failed", "writing"
OnItem = Callable[[int, int, str], None]  # (number done, number of all, name of the next)


@dataclass(frozen=True)
class BatchItem:
    """A drawing of a batch: its name for the user, its path, and the name of its output file."""

    name: str
    path: Path
    target: str


@dataclass
class Batched:
    """The result of a batch: names that were `made` now, `kept` from an earlier run, or `failed` {name: why}; `stopped` before its end.

    `notes` {name: as `Result.note_texts`} are the notes on those that were made.
    """

    out: Path
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sheets: list[Path] = field(default_factory=list)
    stopped: bool = False


def batch(
    name: str | Path | Recipe,
    /,
    *,
    folder: Path | str,
    out: Path | str,
    each: str | None = None,
    kind: str = "png",
    seed: int = 0,
    retry: bool = False,
    preset: str | None = None,
    weights: Path | str | None = None,
    threads: int | None = None,
    on_item: OnItem | None = None,
    stop: Callable[[], bool] | None = None,
    mark: Marker | bool | None = None,
    **given: Any,
) -> Batched:
    """Make the same request of every picture in `folder` (not of folders inside it) and write it to `out` under the picture's name.

    `each` is the condition that the files fill: the card's only required picture if left out. `given` are the other conditions
    and the settings, as for `generate`. `kind` is png, ora, psd or json. An output of the same request and the same file that is in
    `out` is kept; `retry` makes only those that failed before. batch.jsonl has a line for every file, contact-sheet.png shows them
    all. `mark` signs each output: True with this machine's key, or a Marker.
    GessoError where the batch cannot begin or the disk is full; errors of single files are in `failed`.
    """
    marker = signer([Path(f"out.{kind}")]) if mark is True else mark or None
    model = load(name, preset=preset, weights=weights)
    conditions, settings = split(model.card, given)
    target = Path(out)
    filled = each_of(model.card, each, conditions)
    check_rest(model.card, filled, conditions)
    return run_items(
        model,
        found(Path(folder), target, kind),
        target,
        each=filled,
        kind=kind,
        request=shared(model, conditions, seed, settings),
        retry=retry,
        threads=threads,
        on_item=on_item,
        stop=stop,
        mark=marker,
    )


def run_items(
    model: Model,
    items: Sequence[BatchItem],
    out: Path,
    *,
    each: str,
    kind: str,
    request: Request,
    retry: bool = False,
    threads: int | None = None,
    on_item: OnItem | None = None,
    stop: Callable[[], bool] | None = None,
    mark: Marker | None = None,
    must_sign: bool = True,
) -> Batched:
    """The batch itself, for items from anywhere; `request` holds what all of them share.

    Without `must_sign`, an output that cannot be signed is written unsigned, with the reason in batch.jsonl.
    """
    check_out(Path(f"out.{kind}"), model.card)
    make_folder(out / THUMBS)
    done = Batched(out)
    with locked(out, "another batch"):
        journal = Journal(out, asked_of(request, each, kind, mark))
        for number, item in enumerate(items):
            if on_item is not None:
                on_item(number, len(items), item.name)
            try:
                if stop is not None and stop():
                    raise Stopped
                hashed = hash_of(item.path)
                if journal.has(item, hashed):
                    done.kept.append(item.name)
                    continue
                if retry and journal.item_state(item) != FAILED:
                    continue
                journal.check_place(item)
                asked = Request.build(
                    model.card, {**request.conditions, each: item.path}, seed=request.seed, settings=request.settings,
                    weights=request.weights, preset=request.preset,
                )  # fmt: skip
                made = make(model.assembled, asked, threads=threads, files={each: item.name}, stop=stop)
                file = signed(made, f".{kind}", mark)
                if file.why is not None and must_sign:
                    raise GessoError(f"it could not be signed: {file.why}", where=item.target, fix="make it unsigned: without --mark")
            except Stopped:
                done.stopped = True
                break
            except Exception as error:  # the next file may be a valid one
                done.failed[item.name] = reason = why(error)
                journal.write(item, FAILED, why=reason)
                continue
            journal.keep(item, hashed, file, thumb_of(made), made.notes, made.sidecar(Path(item.target).suffix))
            done.made.append(item.name)
            done.notes |= {item.name: made.note_texts} if made.notes else {}
        if not done.stopped:
            if on_item is not None:
                on_item(len(items), len(items), "")
            done.sheets = journal.sheets(items)
    return done


def found(folder: Path, out: Path, kind: str) -> list[BatchItem]:
    """The pictures of a folder in the order of their names (2 before 10), each with an output name of its own."""
    if not folder.is_dir():
        raise GessoError("there is no such folder", where=folder, fix="give the folder of the drawings to --folder")
    if out.exists() and out.resolve() == folder.resolve():
        raise GessoError("this is the folder of the drawings", where=out, fix="choose another folder for --out")
    names = [
        one.name for one in folder.iterdir() if one.suffix.lower() in medium("picture").inputs and one.name[0] != "." and one.is_file()
    ]
    if not names:
        raise GessoError(
            "there is no picture in this folder", where=folder, fix="png, jpg, webp, gif, bmp or tif; folders inside are not read"
        )
    return named([(name, folder / name) for name in sorted(names, key=natural)], kind)


def named(files: Iterable[tuple[str, Path]], kind: str) -> list[BatchItem]:
    """Items with different output names, also where the disk ignores case."""
    items: list[BatchItem] = []
    taken: set[str] = set()
    for name, path in files:
        tries = [f"{Path(name).stem}.{kind}", f"{name}.{kind}", *(f"{name}-{number}.{kind}" for number in range(2, 10_000))]
        target = next(one for one in tries if one.casefold() not in taken and not OURS.fullmatch(one.casefold()))
        taken.add(target.casefold())
        items.append(BatchItem(name, path, target))
    return items


def natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,15})", name.casefold()) if part]


def asked_of(request: Request, each: str, kind: str, mark: Marker | None) -> str:
    """A hash of everything that the outputs have in common."""
    text = f"{request.canonical()} {each} {kind}{' signed' if mark is not None else ''}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def signed(made: Result, kind: str, mark: Marker | None) -> SignedFile:
    """An output as a file, signed where there is a signer and the format carries credentials."""
    return made.marked(kind, mark) if mark is not None and kind in FORMATS else SignedFile(made.file(kind))


def each_of(card: Card, each: str | None, given: Mapping[str, Any]) -> str:
    """The condition that the files fill: as named, or the only one possible. GessoError where it is ambiguous."""
    pages = [slot for slot in card.conditions if is_page(slot.kind)]
    if each is not None:
        slot = card.slot(each)
        if slot not in pages:
            raise GessoError(f"is no picture: its kind is {slot.kind.kind}", where=each, fix=_one_of(pages))
    else:
        meant = [slot for slot in pages if slot.required] or pages  # a required condition comes before an optional one
        wanted = [slot for slot in meant if slot.name not in given] or meant
        if len(wanted) != 1:
            what = "it takes no picture" if not wanted else f"the files could be {' or '.join(one.name for one in wanted)}"
            raise GessoError(what, where=card.name, fix=f"--each {wanted[0].name}, and give the others" if wanted else None)
        slot = wanted[0]
    if slot.name in given:
        others = [one.name for one in pages if one.name not in given]
        fix = f"leave it out; or --each {others[0]}, if the files are that" if others else "leave it out"
        raise GessoError("cannot be given: the files of the folder fill it", where=slot.name, fix=fix)
    return slot.name


def check_rest(card: Card, each: str, given: Mapping[str, Any]) -> None:
    """GessoError where a required condition other than the one that the files fill is missing."""
    lacks = [slot.name for slot in card.conditions if slot.required and slot.name != each and given.get(slot.name) is None]
    if lacks:
        raise GessoError(
            f"{card.name} needs {' and '.join(lacks)} beside the files, which are its {each}", where=lacks[0], fix="give it once"
        )


def is_page(kind: type[Condition]) -> bool:
    """Is a value of this kind a picture whose pixels are the page's coordinates."""
    return kind.page is not Condition.page


def _one_of(slots: Sequence[Any]) -> str | None:
    return "one of " + ", ".join(slot.name for slot in slots) if slots else None


def shared(model: Model, conditions: Mapping[str, Any], seed: int, settings: Mapping[str, Any]) -> Request:
    """The request that all items share, checked before the first is made."""
    return Request.build(
        model.card.for_parts(), conditions, seed=seed, settings=settings, weights=model.assembled.hashes, preset=model.preset
    )


class Journal:
    """The state of a batch's files: batch.jsonl, in which the last line for an output name counts, and thumbnails."""

    def __init__(self, out: Path, asked: str) -> None:
        self.out, self.asked = out, asked
        self._lines = read_journal(out)
        write_atomic(out / JOURNAL, b"".join(_line(one) for one in self._lines.values()))

    def item_state(self, item: BatchItem) -> str:
        return str(self._lines.get(item.target, {}).get("state", ""))

    def has(self, item: BatchItem, hashed: str) -> bool:
        """Was this request made of this file, and is the output still there, edited or not."""
        line = self._lines.get(item.target, {})
        same = line.get("state") == DONE and line.get("asked") == self.asked and line.get("input") == hashed
        return same and (self.out / item.target).is_file()

    def check_place(self, item: BatchItem) -> None:
        """GessoError where the output's path holds a file that no batch wrote, or that was edited since."""
        place, line = self.out / item.target, self._lines.get(item.target, {})
        own = {line.get("output"), line.get("before")}  # a kill while writing leaves one of the two
        if os.path.lexists(place) and (not place.is_file() or hash_of(place, MOST_BYTES) not in own):
            known = bool(line)
            what = "it was changed since it was made" if known else "a file of that name is there already, and no batch made it"
            raise GessoError(what, where=item.target, fix="move it away, or choose another --out")

    def keep(
        self, item: BatchItem, hashed: str, file: SignedFile, thumb: np.ndarray | None, notes: Sequence[str], record: bytes | None
    ) -> None:
        """Write an output. Its hash is logged first, so that after a kill the file is known to be the batch's own."""
        facts: dict[str, Any] = {"input": hashed, "asked": self.asked, "output": hashlib.sha256(file.data).hexdigest()}
        facts |= {} if file.why is None else {"unsigned": file.why}
        facts |= {"notes": list(notes)} if notes else {}
        place = self.out / item.target
        self.write(item, WRITING, **facts, **({"before": hash_of(place, MOST_BYTES)} if place.is_file() else {}))
        if file.beside is not None:
            write_atomic(place.with_suffix(".c2pa"), file.beside)
        if record is not None:
            write_atomic(sidecar_of(place), record)
        write_atomic(place, file.data)
        if thumb is not None:
            write_atomic(thumb_path(self.out, item), encode_png(thumb))
        self.write(item, DONE, **facts)

    def write(self, item: BatchItem, state: str, **facts: Any) -> None:
        line = {"file": item.name, "target": item.target, "state": state, **facts}
        before = self._lines.get(item.target, {})
        if state == FAILED and "output" in before:  # the output of an earlier request is still the batch's own
            line["output"] = before["output"]
        self._lines[item.target] = line
        try:
            with open(self.out / JOURNAL, "ab") as file:
                file.write(_line(line))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise GessoError(f"cannot write: {(error.strerror or 'refused').lower()}", where=JOURNAL, fix="free some space") from error

    def sheets(self, items: Sequence[BatchItem]) -> list[Path]:
        """Write contact sheets of all outputs, with an empty cell for each that failed; none where no output is a picture."""
        finished = [item for item in items if self.item_state(item) in (DONE, FAILED)]
        shown = [(item, _read_thumb(self.out, item) if self.item_state(item) == DONE else None) for item in finished]
        if not any(picture is not None for _, picture in shown):
            return []
        written = []
        for number, start in enumerate(range(0, len(shown), ON_A_SHEET), 1):
            part = shown[start : start + ON_A_SHEET]
            pictures = [picture if picture is not None else missing() for _, picture in part]
            names = [item.name if self.item_state(item) == DONE else f"× {item.name}" for item, _ in part]
            path = self.out / (f"{SHEET}.png" if number == 1 else f"{SHEET}-{number}.png")
            write_atomic(path, encode_png(contact_sheet(pictures, COLUMNS, names)))
            written.append(path)
        return written


def read_journal(out: Path) -> dict[str, dict[str, Any]]:
    """The last complete line for each output name; a truncated line is left out."""
    texts = read_bytes(out / JOURNAL, 2**28).split(b"\n") if (out / JOURNAL).is_file() else []
    lines: dict[str, dict[str, Any]] = {}
    for text in texts:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("target"), str):
            lines[line["target"]] = line
    return lines


def _line(line: Mapping[str, Any]) -> bytes:
    return encoded(json.dumps(line, ensure_ascii=False) + "\n")


def hash_of(path: Path, max_bytes: int = DEFAULT.max_bytes) -> str:
    return hashlib.sha256(read_bytes(path, max_bytes)).hexdigest()


def why(error: Exception) -> str:
    """The reason for an error, in one line."""
    if isinstance(error, GessoError):
        return str(error)
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return "there is not enough memory for it (give a smaller picture)"
    return f"{type(error).__name__}: {error} (this is a bug in Gesso)"


def thumb_path(out: Path, item: BatchItem) -> Path:
    return out / THUMBS / f"{item.target}.png"


def thumb_of(result: Result) -> np.ndarray | None:
    """A thumbnail of the first picture; None where there is no picture."""
    from PIL import Image

    if result.shown is None:
        return None
    picture = Image.fromarray(result.outputs[result.shown])
    picture.thumbnail((THUMB, THUMB), Image.Resampling.BOX)
    return np.asarray(picture)


def _read_thumb(out: Path, item: BatchItem) -> np.ndarray | None:
    try:
        return read_picture(thumb_path(out, item), least_side=1)
    except GessoError:
        return None


def missing() -> np.ndarray:
    """A crossed-out cell for the contact sheet."""
    cell = np.full((THUMB // 2, THUMB // 2), 244, np.uint8)
    places = np.arange(THUMB // 2)
    cell[places, places] = cell[places, places[::-1]] = 190
    return cell
