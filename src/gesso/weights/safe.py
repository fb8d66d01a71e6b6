"""Reading of untrusted safetensors files: the header is parsed and checked here before the library reads it. Nothing is unpickled."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gesso.errors import GessoError
from gesso.media.file import printable

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER = 10 * 2**20
MAX_HEAD = 2**16  # bytes that are read first of a file
MAX_TENSORS = 50_000
MAX_AXES = 8
MAX_NAME = 200
METADATA = "__metadata__"
NUM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
PICKLE_MARKS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
SAFE = "give weights that Gesso wrote (.safetensors); other formats can run code and are not read"


class Entry(NamedTuple):
    """One tensor of a header: its bytes are data[begin:end]."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_tensors(data: bytes, *, where: object, dtypes: Collection[str] = tuple(NUM_BYTES)) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name and the metadata of a safetensors file; GessoError with the reason if any part of it is invalid."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    entries, metadata = read_header(data, where=where, dtypes=dtypes)
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise GessoError(f"the tensors could not be read: {error}", where=where, fix=SAFE) from error
    if set(tensors) != {e.name for e in entries}:
        raise GessoError("the header and the data have different tensor names", where=where, fix=SAFE)
    return tensors, metadata


def write_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Encode contiguous tensors on the CPU as a safetensors file. The result is deterministic, unlike the library's metadata order."""
    from safetensors.torch import save

    data = memoryview(save(dict(tensors)))
    length = int.from_bytes(data[:8], "little")
    header = {METADATA: dict(sorted(metadata.items())), **json.loads(bytes(data[8 : 8 + length]))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data must begin at a multiple of eight bytes
    return b"".join((len(text).to_bytes(8, "little"), text, data[8 + length :]))


def read_header(data: bytes, *, where: object, dtypes: Collection[str] = tuple(NUM_BYTES)) -> tuple[list[Entry], dict[str, str]]:
    """Check a header. Returns its entries in the order of their bytes, and the metadata (text by name)."""
    return _checked_header(data, len(data), where, dtypes)


def read_file_header(path: str | Path, *, where: object, dtypes: Collection[str] = tuple(NUM_BYTES)) -> list[Entry]:
    """The entries of a file's header, checked as `read_header` does, without reading the tensors: the file may have gigabytes."""
    with open(path, "rb") as file:
        head = file.read(MAX_HEAD)
        length = int.from_bytes(head[:8], "little")
        if len(head) == MAX_HEAD and MAX_HEAD < 8 + length <= MAX_HEADER + 8:
            head += file.read(8 + length - MAX_HEAD)
        num_bytes = file.seek(0, 2)
    return _checked_header(head, num_bytes, where, dtypes)[0]


def _checked_header(data: bytes, num_bytes: int, where: object, dtypes: Collection[str]) -> tuple[list[Entry], dict[str, str]]:
    """`read_header` of a file of `num_bytes`, of which `data` is the beginning, with the whole header."""
    refuse_other_formats(data, where)
    if num_bytes < 8:
        raise GessoError(f"the file is cut short: {num_bytes} bytes", where=where, fix="copy or download it again")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER:
        raise GessoError(
            f"this is not a safetensors file: it declares a header of {length} bytes (at most {MAX_HEADER})", where=where, fix=SAFE
        )
    if 8 + length > num_bytes:
        raise GessoError(f"the file is cut short: {num_bytes} bytes of at least {8 + length}", where=where, fix="copy or download it again")
    header = _parse(data[8 : 8 + length], where)
    metadata = _metadata(header, where)
    if len(header) > MAX_TENSORS:
        raise GessoError(f"the file names {len(header)} tensors; the limit is {MAX_TENSORS}", where=where, fix=SAFE)
    entries = sorted((_entry(name, value, dtypes, where) for name, value in header.items()), key=lambda e: (e.begin, e.end))
    _check_places(entries, num_bytes - 8 - length, where)
    return entries, metadata


def metadata_of(header: bytes, *, where: object) -> dict[str, str]:
    """The metadata in the JSON of a header."""
    return _metadata(_parse(header, where), where)


def _metadata(header: dict[str, Any], where: object) -> dict[str, str]:
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise GessoError("the header's metadata is not text by name", where=where, fix=SAFE)
    return metadata


def refuse_other_formats(data: bytes, where: object) -> None:
    """Raise GessoError for data that is a pickle, an archive or a file of another framework, whatever its name."""
    head = data[:262]
    kind = None
    if head.startswith(PICKLE_MARKS) or re.match(rb"[(\]}]?c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n", head):
        kind = "a Python pickle, which can run code when it is read"
    elif head.startswith(b"PK"):
        kind = "a zip archive (as torch.save writes: it holds a pickle, which can run code when it is read)"
    elif head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        kind = "a compressed or tar archive"
    elif head.startswith(b"\x89HDF"):
        kind = "an HDF5 file"
    elif head.startswith(b"GGUF"):
        kind = "a GGUF file"
    elif head.startswith(b"version https://git-lfs"):
        kind = "a git-lfs pointer, not the weights themselves"
    if kind:
        raise GessoError(f"this is {kind}; it was not opened", where=where, fix=SAFE)
    if not data:
        raise GessoError("the file is empty", where=where, fix=SAFE)


def check_name(name: str, where: object) -> None:
    """Raise GessoError for a tensor name that could be unsafe in a file system, a terminal or a page."""
    bad = None
    if not name or len(name) > MAX_NAME:
        bad = f"has {len(name)} characters (1 to {MAX_NAME})"
    elif not name.isascii() or not name.isprintable():
        bad = "holds control or other unusual characters"
    elif ".." in name or name.startswith("/") or "\\" in name or re.match(r"[A-Za-z]:", name):
        bad = "looks like a path"
    if bad:
        raise GessoError(f"the tensor name {printable(name)!r} {bad}", where=where, fix=SAFE)


def _parse(raw: bytes, where: object) -> dict[str, Any]:
    if not raw.startswith(b"{"):
        raise GessoError("this is not a safetensors file: its header is not JSON", where=where, fix=SAFE)
    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_twins, parse_constant=_no_constants)
    except GessoError as error:
        raise GessoError(error.what, where=where, fix=SAFE) from None
    except (ValueError, RecursionError) as error:
        raise GessoError("this is not a safetensors file: its header is not JSON", where=where, fix=SAFE) from error
    if not isinstance(header, dict):
        raise GessoError("this is not a safetensors file: its header is not a table of names", where=where, fix=SAFE)
    return header


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise GessoError("the header has a duplicate name")
    return table


def _no_constants(text: str) -> None:
    raise ValueError(text)


def _entry(name: str, value: Any, dtypes: Collection[str], where: object) -> Entry:
    check_name(name, where)
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise GessoError(f"the tensor {name!r} is not described by dtype, shape and data_offsets", where=where, fix=SAFE)
    dtype, shape, places = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in dtypes or dtype not in NUM_BYTES:
        raise GessoError(f"the tensor {name!r} has the type {printable(str(dtype))}", where=where, fix="one of " + ", ".join(dtypes))
    if not _are_counts(shape) or len(shape) > MAX_AXES:
        raise GessoError(f"the tensor {name!r} has an invalid shape", where=where, fix=SAFE)
    if not _are_counts(places) or len(places) != 2:
        raise GessoError(f"the tensor {name!r} has invalid data offsets", where=where, fix=SAFE)
    begin, end = places
    if end - begin != math.prod(shape) * NUM_BYTES[dtype]:
        raise GessoError(f"the tensor {name!r} has {end - begin} bytes for {dtype} {shape}", where=where, fix=SAFE)
    return Entry(name, dtype, tuple(shape), begin, end)


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**48 for v in values)


def _check_places(entries: list[Entry], num_bytes: int, where: object) -> None:
    """Check that the tensors fill the data exactly: without gaps (which could hide data), overlaps or bytes outside."""
    if entries and entries[0].begin != 0:
        raise GessoError("bytes before the first tensor belong to no tensor", where=where, fix=SAFE)
    for one, two in itertools.pairwise(entries):
        if one.end != two.begin:
            what = "overlap" if two.begin < one.end else "leave a gap between them"
            raise GessoError(f"the tensors {one.name!r} and {two.name!r} {what}", where=where, fix=SAFE)
    end = entries[-1].end if entries else 0
    if end > num_bytes:
        raise GessoError(
            f"the file is cut short: its tensors end {end - num_bytes} bytes behind its end", where=where, fix="copy or download it again"
        )
    if end < num_bytes:
        raise GessoError(f"{num_bytes - end} bytes after the last tensor belong to no tensor", where=where, fix=SAFE)
