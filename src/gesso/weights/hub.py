"""Folders of models of diffusers and transformers: checked as untrusted input before the library opens them, and hashed by content.

Only safetensors and texts (JSON, vocabularies) are used. Pickles, code and links that leave the folder are not.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import parse_json, printable, read_bytes
from gesso.weights.safe import read_file_header

INDEX, CONFIG = "model_index.json", "config.json"
TEXTS = (".json", ".txt", ".model", ".jinja")  # of which configurations and tokenizers consist
PICKLES = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last for its safety checker
LISTS = re.compile(r"(?:diffusion_pytorch_model|model)(?:\.([a-z0-9_]{1,20}))?\.safetensors\.index(?:\.([a-z0-9_]{1,20}))?\.json")
ELSEWHERE = "transformers_weights"  # a setting by which transformers opens another file than the usual one
STORED = re.compile(r"(?:diffusion_pytorch_model|model)(?:\.([a-z0-9_]{1,20}))?(?:-(\d{5})-of-(\d{5}))?\.safetensors")
NAME, CLASS = re.compile(r"[a-z][a-z0-9_]{0,60}"), re.compile(r"[A-Za-z][A-Za-z0-9_]{0,100}")
MAX_CONFIG, MAX_TEXT = 2**20, 2**26  # bytes
MAX_FILES = 200  # of one part
MAX_ITEMS, MAX_DEPTH = 4096, 8  # of a configuration's lists and tables, whose class names may be many
MAX_NUMBER, MAX_REPEATS, MAX_LIST = 2**31, 1024, 1024
REPEATS = re.compile(r"layers?|depth|blocks?$|timesteps|num_res")  # settings that say how often something is built
MAX_TIMESTEPS = 2**20
COPY = "give a whole folder, as save_pretrained wrote it: files of safetensors, and no links out of it"


@dataclass(frozen=True)
class HubPart:
    """One part of a pipeline, or a model: its class `kind` in a `library`, its `folder`, and the `shapes` of its stored tensors by name.

    `variant` is the word in the names of its weights files, as "fp16", and `numbers` the type of most stored numbers, as "F16". A part
    without weights (a tokenizer, a schedule) has no shapes.
    """

    library: str
    kind: str
    folder: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    variant: str | None = None
    numbers: str = ""


@dataclass(frozen=True)
class HubFolder:
    """A checked folder: the class it is of, its parts by name ("" is the folder itself), other `options`, and the sha256 of its content."""

    path: Path
    kind: str
    parts: Mapping[str, HubPart]
    options: Mapping[str, Any]
    sha256: str

    @property
    def model(self) -> HubPart:
        """The only part of a folder that is one model; GessoError for a pipeline."""
        if "" not in self.parts:
            raise GessoError(f"this is a pipeline ({self.kind})", where=printable(self.path), fix="gesso generate hub --weights FOLDER")
        return self.parts[""]


def read_hub(path: Path | str) -> HubFolder:
    """Check a folder and hash what would be used of it: the same content has the same hash wherever it lies.

    GessoError with the reason where it is no such folder, holds pickles instead of safetensors, lacks a part, is damaged, leads out of
    itself, or declares sizes that no model has.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise GessoError("there is no such folder", where=printable(path), fix="the folder of a pipeline, as save_pretrained writes it")
    used: dict[str, Path] = {}
    root = folder.resolve()
    if (folder / INDEX).is_file():
        told = _config(_inside(root, folder / INDEX), {})
        used[INDEX] = folder / INDEX
        kind, named, options = _named_parts(told, folder)
        parts = {name: _part(root, folder / name, library, part, used) for name, (library, part) in named.items()}
    elif (folder / CONFIG).is_file():
        options, parts = {}, {"": _part(root, folder, "transformers", "", used)}
        kind = parts[""].kind
    else:
        what = f"holds neither {INDEX} nor {CONFIG}" + _pickled(folder)
        raise GessoError(what, where=printable(path), fix="the folder of a pipeline, as save_pretrained writes it")
    lines = [f"{name}\0{_hash(name, file)}" for name, file in sorted(used.items())]
    return HubFolder(folder, kind, parts, options, hashlib.sha256("\n".join(lines).encode()).hexdigest())


def _named_parts(told: Mapping[str, Any], folder: Path) -> tuple[str, dict[str, tuple[str, str]], dict[str, Any]]:
    """The pipeline's class, its parts as {name: (library, class)}, and its other options, of a model_index.json."""
    where = printable(folder / INDEX)
    kind = told.get("_class_name")
    if not isinstance(kind, str) or not CLASS.fullmatch(kind):
        raise GessoError("names no pipeline (_class_name)", where=where, fix=COPY)
    parts: dict[str, tuple[str, str]] = {}
    options: dict[str, Any] = {}
    for name, value in told.items():
        if name.startswith("_") or value == [None, None]:
            continue
        if not NAME.fullmatch(name):
            raise GessoError(f"{printable(name[:60])!r} is no name of a part", where=where, fix=COPY)
        if not isinstance(value, list):
            options[name] = value
            continue
        if len(value) != 2 or not all(isinstance(one, str) for one in value) or not CLASS.fullmatch(value[1]):
            raise GessoError(f"the part {name!r} is not a library and a class", where=where, fix=COPY)
        if value[0] not in LIBRARIES:
            what = f"the part {name!r} is of {printable(value[0][:60])!r}, which is not loaded"
            raise GessoError(what, where=where, fix="parts of diffusers and transformers only; code of a model's own is never run")
        parts[name] = value[0], value[1]
        if not (folder / name).is_dir():
            raise GessoError(f"the part {name!r} is missing", where=printable(folder), fix=COPY)
    if not parts:
        raise GessoError("names no parts", where=where, fix=COPY)
    return kind, parts, options


def _part(root: Path, folder: Path, library: str, kind: str, used: dict[str, Path]) -> HubPart:
    """One part's checked files, which are added to those `used`."""
    where = printable(folder)
    texts: dict[str, Path] = {}
    stored: dict[str | None, list[tuple[re.Match[str], Path]]] = {}
    if not folder.resolve().is_relative_to(root):
        raise GessoError("is a link that leads out of the folder", where=where, fix=COPY)
    for file in _files(folder):
        if file.suffix in TEXTS:
            texts[file.name] = _inside(root, file)
        elif match := STORED.fullmatch(file.name):
            stored.setdefault(match[1], []).append((match, _inside(root, file)))
    config: dict[str, Any] = {}
    for name, file in texts.items():
        used[_relative(root, folder, name)] = file
        if name.endswith("config.json"):
            found_text = _config(
                file, {"timesteps": MAX_TIMESTEPS} if name.startswith("scheduler") else {}, free=name.startswith("tokenizer")
            )
            config = found_text if name == CONFIG else config
    if ELSEWHERE in config or "adapter_config.json" in texts:
        raise GessoError(
            "its weights are said to lie in another file, or to have an adapter", where=where, fix="merge them into the model's own file"
        )
    if CONFIG not in texts:
        return HubPart(library, kind, folder, config)
    if not stored:
        raise GessoError("there are no weights" + _pickled(folder), where=where, fix="convert them to safetensors first, or give others")
    variant = None if None in stored else sorted(one for one in stored if one)[0]
    shapes: dict[str, tuple[int, ...]] = {}
    counts: Counter[str] = Counter()
    for match, file in stored[variant]:
        used[_relative(root, folder, match[0])] = file
        for entry in read_file_header(file, where=printable(folder / match[0])):
            shapes[entry.name] = entry.shape
            counts[entry.dtype] += math.prod(entry.shape)
    numbers = {int(match[2]) for match, _ in stored[variant] if match[2]}
    total = max((int(match[3]) for match, _ in stored[variant] if match[3]), default=0)
    if missing := set(range(1, total + 1)) - numbers:
        raise GessoError(f"{len(missing)} of {total} weights files are missing, such as number {min(missing)}", where=where, fix=COPY)
    names = {match[0] for match, _ in stored[variant]}
    for name, file in texts.items():
        if found := LISTS.fullmatch(name):
            _check_index(file, names if (found[1] or found[2]) == variant else None)
    kind = kind or next((one for one in config.get("architectures") or () if isinstance(one, str) and CLASS.fullmatch(one)), "")
    return HubPart(library, kind, folder, config, shapes, variant, max(counts, key=counts.__getitem__, default=""))


def _check_index(file: Path, names: set[str] | None) -> None:
    """GessoError where a list of weights files names another than these, which the library would open. None: it is not used."""
    told = parse_json(read_bytes(file, MAX_TEXT), where=printable(file))
    listed = told.get("weight_map") if isinstance(told, dict) else None
    if not isinstance(listed, dict) or not all(isinstance(one, str) for one in listed.values()):
        raise GessoError("lists no weights files", where=printable(file), fix=COPY)
    if strange := [one for one in listed.values() if names is not None and one not in names]:
        raise GessoError(f"names the weights file {printable(strange[0][:80])!r}, which is not there", where=printable(file), fix=COPY)


def _relative(root: Path, folder: Path, name: str) -> str:
    inside = folder.resolve().relative_to(root).as_posix()
    return name if inside == "." else f"{inside}/{name}"


def _files(folder: Path) -> Iterator[Path]:
    found = sorted(Path(one.path) for one in os.scandir(folder))
    if len(found) > MAX_FILES:
        raise GessoError(f"holds {len(found)} files; the limit is {MAX_FILES}", where=printable(folder), fix=COPY)
    return iter(found)


def _inside(root: Path, file: Path) -> Path:
    """The file behind a path, which must be a regular one of the folder, or of the blobs of the hub's own cache beside it."""
    try:
        real = file.resolve(strict=True)
        regular = S_ISREG(real.stat().st_mode)
    except (OSError, RuntimeError):
        raise GessoError("is a link to nothing", where=printable(file), fix=COPY) from None
    homes = [root, *([root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [])]
    if not any(real.is_relative_to(home) for home in homes):
        raise GessoError("is a link that leads out of the folder", where=printable(file), fix=COPY)
    if not regular:
        raise GessoError("is no regular file", where=printable(file), fix=COPY)
    return real


def _config(file: Path, most: Mapping[str, int], *, free: bool = False) -> dict[str, Any]:
    """A checked configuration. `free`: of any numbers, since tokenizers say 10^30 for no limit."""
    where = printable(file)
    told = parse_json(read_bytes(file, MAX_CONFIG), where=where)
    if not isinstance(told, dict):
        raise GessoError("is not a table of settings", where=where, fix=COPY)
    if not free:
        _bounded(told, most, where)
    return told


def _bounded(value: Any, most: Mapping[str, int], where: str, name: str = "", depth: int = 0) -> None:
    """GessoError where a configuration says a number, or has a list, that no model needs."""
    wrong = None
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, (int, float)):
        limit = next((high for part, high in most.items() if part in name), MAX_REPEATS if REPEATS.search(name) else MAX_NUMBER)
        wrong = f"{str(value)[:20]}; the limit is {limit}" if not -limit <= value <= limit else None
    elif depth > MAX_DEPTH:
        wrong = f"more than {MAX_DEPTH} levels deep"
    elif isinstance(value, list):
        wrong = f"a list of {len(value)}; the limit is {MAX_LIST}" if len(value) > MAX_LIST else None
    if wrong:
        raise GessoError(f"the setting {printable(name[:60])!r} is {wrong}", where=where, fix="give a folder that a library wrote")
    inner = [(name, one) for one in value] if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else []
    for key, one in inner:
        _bounded(one, most, where, str(key), depth + 1)


def _pickled(folder: Path) -> str:
    """Words about pickles among the files, if there are some."""
    found = [one.name for one in _files(folder) if one.suffix in PICKLES]
    return f"; {printable(found[0][:80])} may be a pickle, which can run code when it is read, and was not opened" if found else ""


_known: dict[tuple[Any, ...], str] = {}
_lock = threading.Lock()


def _hash(name: str, file: Path) -> str:
    """The sha256 of a file, remembered while its size and time stay the same: weights have gigabytes."""
    facts = file.stat()
    if name.endswith(TEXTS) and facts.st_size > MAX_TEXT:
        raise GessoError(f"has {facts.st_size} bytes; the limit is {MAX_TEXT}", where=printable(name), fix=COPY)
    key = str(file), facts.st_size, facts.st_mtime_ns, facts.st_ino
    with _lock:
        if key in _known:
            return _known[key]
    with open(file, "rb") as data:
        found = hashlib.file_digest(data, "sha256").hexdigest()
    with _lock:
        _known[key] = found
    return found
