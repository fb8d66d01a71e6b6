"""The record: written into each output, so that the output can be made again from its file alone."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import subprocess
import sys
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gesso import __version__
from gesso.errors import GessoError, as_gesso_error
from gesso.media.file import parse_json, printable, read_bytes
from gesso.media.medium import budget_of, carrier, media, medium_of_file, sidecar_of
from gesso.media.png import RECORD
from gesso.number import StrictNumbers, Whole
from gesso.request import MAX_SEED, Request

# IPTC's digital source type "trained algorithmic media": made by a model that learned from samples.
SOURCE_TYPE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
KEYWORD = RECORD
MAX_EMBEDDED = 32 * 2**20  # bytes of the conditions' JSON
LARGE = 4096  # values, beyond which an array in JSON is packed
Checked = TypeVar("Checked", bound=BaseModel)
HASH = r"^[0-9a-f]{64}$"
NAME = r"^[A-Za-z0-9_.:-]{1,100}$"
CPU_FEATURES = ("amx_tile", "amx_bf16", "amx_int8", "avx512f", "avx512_bf16", "avx2", "fma", "neon", "asimd", "sve", "bf16")


class LeftOut(BaseModel):
    """A condition too large to embed: `sha256` and `size` of its JSON in bytes, and the `name` of the file it came from, if any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=HASH)
    name: str = Field(max_length=255)
    size: int = Field(ge=0)


class Environment(BaseModel):
    """The environment an output was made in: everything that may change a last bit, and the time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    threads: int = Field(ge=1, le=4096)
    dtype: str = Field(default="float32", max_length=40)
    device: str = Field(default="cpu", max_length=40)
    cpu: tuple[str, ...] = Field(default=(), max_length=100)
    torch: str = Field(default="", max_length=100)
    python: str = Field(default="", max_length=100)
    numpy: str = Field(default="", max_length=100)
    platform: str = Field(default="", max_length=300)
    libraries: dict[str, str] = Field(default_factory=dict, max_length=20)  # others that computed, by name: their versions
    time: str = Field(default="", max_length=60)


class Digest(BaseModel):
    """A hash of an output: sha256 of dtype, shape and values of an array, or of the JSON of anything else."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=HASH)
    shape: tuple[int, ...] | None = Field(default=None, max_length=8)


class RecordedRequest(StrictNumbers):
    """A request as a record holds it: JSON with names and numbers checked, and conditions not parsed yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = Field(pattern=r"^[a-z][a-z0-9_]{0,99}$")
    preset: str = Field(default="", max_length=100)
    weights: dict[str, str] = Field(default_factory=dict, max_length=100)
    conditions: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=1000)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=1000)


class Record(BaseModel):
    """A request, the environment it was made in, and hashes of its outputs. Converts to JSON and back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gesso: str = Field(max_length=60)
    type: Literal["http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"] = SOURCE_TYPE
    request: RecordedRequest
    left: dict[str, LeftOut] = Field(default_factory=dict, max_length=100)
    made: Environment
    output: dict[str, Digest] = Field(default_factory=dict, max_length=100)

    def to_json(self) -> dict[str, Any]:
        told = self.model_dump(mode="json")
        if not self.made.libraries:  # few outputs have any
            del told["made"]["libraries"]
        return told

    def text(self) -> str:
        """The record as one line of JSON."""
        return encoded(json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)).decode()

    def parameters(self) -> str:
        """The text chunk `parameters`, which other programs show."""
        asked = self.request
        given = ", ".join([*asked.conditions, *self.left]) or "nothing given"
        facts = {
            "Seed": asked.seed,
            **{k: v for k, v in asked.settings.items() if isinstance(v, (str, int, float))},
            "Preset": asked.preset,
        }
        facts |= {f"{name} weights": hashed[:10] for name, hashed in asked.weights.items()} | {"Version": f"gesso {self.gesso}"}
        return f"{asked.recipe} ({given})\n" + ", ".join(f"{name}: {value}" for name, value in facts.items())


def record(
    request: Request,
    outputs: Mapping[str, Any],
    *,
    threads: int,
    dtype: str = "float32",
    device: str = "cpu",
    files: Mapping[str, str] | None = None,
    libraries: Mapping[str, str] | None = None,
    limit: int | None = None,
    time: datetime | None = None,
) -> Record:
    """The record of new outputs. Conditions are embedded up to `limit` bytes (32 MiB) in total; beyond it the largest are named by hash.

    `files` {condition: file's name} are the files they came from; folders are not recorded. `libraries` are the versions of others than
    torch that computed.
    """
    asked = request.to_json()
    sizes = {name: len(canonical(value)) for name, value in asked["conditions"].items()}
    left: dict[str, LeftOut] = {}
    for name in sorted(sizes, key=lambda n: sizes[n], reverse=True):
        if sum(sizes.values()) <= (MAX_EMBEDDED if limit is None else limit):
            break
        source = Path((files or {}).get(name, name)).name[:255]
        left[name] = LeftOut(sha256=condition_hash(asked["conditions"].pop(name)), name=source, size=sizes.pop(name))
    return Record(
        gesso=__version__,
        request=RecordedRequest(**asked),
        left=left,
        made=environment_here(threads, dtype, time, device, libraries),
        output={name: digest(value) for name, value in outputs.items()},
    )


def commit() -> str:
    """The commit of this package's checkout, with + where files differ from it; "" outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    ask = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def environment_here(
    threads: int, dtype: str, time: datetime | None = None, device: str = "cpu", libraries: Mapping[str, str] | None = None
) -> Environment:
    """The environment of this process, now."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        # The installed version, not the imported module's: a record may be made where torch is not loaded.
        torch_version = sys.modules["torch"].__version__ if "torch" in sys.modules else version("torch")
    except PackageNotFoundError:
        torch_version = ""
    return Environment(
        threads=threads,
        dtype=dtype,
        device=device,
        cpu=cpu_features(),
        torch=str(torch_version),
        python=platform.python_version(),
        numpy=np.__version__,
        platform=f"{platform.system()} {platform.machine()}",
        libraries=dict(libraries or {}),
        time=(time or datetime.now(UTC)).isoformat(timespec="seconds"),
    )


def cpu_features() -> tuple[str, ...]:
    """The instruction sets of this processor that change last bits."""
    try:
        words = set(Path("/proc/cpuinfo").read_text(errors="replace").lower().split())
    except OSError:
        return (platform.machine().lower(),) if platform.machine() else ()
    return tuple(name for name in CPU_FEATURES if name in words) or (platform.machine().lower(),)


def digest(value: Any) -> Digest:
    if isinstance(value, np.ndarray):
        head = f"{value.dtype.str}{value.shape}".encode()
        return Digest(sha256=hashlib.sha256(head + np.ascontiguousarray(value).tobytes()).hexdigest(), shape=value.shape)
    return Digest(sha256=hashlib.sha256(canonical(_hashed(value))).hexdigest())


def _hashed(value: Any) -> Any:
    """An output as plain JSON, with each array replaced by its hash."""
    if isinstance(value, np.ndarray):
        return digest(value).sha256
    if isinstance(value, Mapping):
        return {str(key): _hashed(one) for key, one in value.items()}
    return [_hashed(one) for one in value] if isinstance(value, (list, tuple)) else plain(value)


def plain(value: Any) -> Any:
    """An output as plain JSON: small arrays as lists, large ones as {"dtype", "shape", "zlib"} with base64."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, np.ndarray) and value.size > LARGE and value.dtype.kind in "biuf":
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(value).tobytes())).decode()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "zlib": packed}
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8."""
    return encoded(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def encoded(text: str) -> bytes:
    """JSON as UTF-8. A lone surrogate, which a file's name may hold, is written as its escape."""
    return text.encode("utf-8", "backslashreplace")


def condition_hash(value: Any) -> str:
    """sha256 of a condition's JSON: another file with the same picture has the same hash."""
    return hashlib.sha256(canonical(value)).hexdigest()


def read_record(path: str | os.PathLike[str]) -> Record:
    """The record inside a file of any medium, beside it (FILE.gesso.json), or in a JSON file, without decoding the content.

    GessoError for any other file.
    """
    place = record_place(path)
    kind = medium_of_file(place)
    if kind is not None and kind.streamed:  # a film may be larger than the memory
        return _parsed(kind.record_at(place), f"this {place.suffix[1:].upper()}", where=printable(place))
    return record_in(read_bytes(place, budget_of(place).max_bytes), where=printable(place))


def record_place(path: str | os.PathLike[str]) -> Path:
    """The file that holds the record of the file at `path`: itself, or the one beside it where its format has no place for a record."""
    beside, known = sidecar_of(path), medium_of_file(path)
    return beside if beside.is_file() and (known is None or known.sidecar) else Path(path)


def record_in(data: bytes, *, where: str) -> Record:
    """As `read_record`, from a file's bytes."""
    found = carrier(data)
    if found is not None:
        return _parsed(found.record_in(data, where=where), f"this {found.carries(data)}", where=where)
    if data.lstrip()[:1] != b"{":
        what = f"this is neither {_formats()} nor a JSON record"
        raise GessoError(what, where=where, fix="give a file that Gesso made, or its .json")
    return parse_record(parse_json(data, where=where), where=where)


def _parsed(text: str | None, file: str, *, where: str) -> Record:
    if text is None:
        fix = "give a file that Gesso made and no other program saved again, or the .json beside it"
        raise GessoError(f"{file} carries no record", where=where, fix=fix)
    return parse_record(parse_json(text, where=where), where=where)


def carried_text(data: bytes, *, where: str) -> str | None:
    """The text of the record in a file; None where there is none, GessoError where the file is damaged."""
    found = carrier(data)
    return None if found is None else found.record_in(data, where=where)


def _formats() -> str:
    *most, last = [ending for one in media() for ending in one.endings]
    return f"a {', '.join(most)} or {last} file"


def parse_record(value: Any, *, where: object) -> Record:
    """A record from JSON, checked against its schema. A result's JSON holds its record under `record`."""
    if isinstance(value, Mapping) and "record" in value and "gesso" not in value:
        value = value["record"]
    if not isinstance(value, Mapping) or "gesso" not in value:
        raise GessoError("this JSON is not a record of Gesso", where=where, fix="give a picture or a .json that Gesso made")
    return _validated(Record, value, "the record is damaged", where)


def parse_request(value: Any, *, where: object) -> RecordedRequest:
    """A request from JSON, checked as far as possible without its recipe's card."""
    if not isinstance(value, Mapping):
        raise GessoError("a request is a JSON object", where=where, fix='{"recipe": "…", "conditions": {…}, "seed": 0, "settings": {…}}')
    return _validated(RecordedRequest, value, "this is not a request", where)


def _validated(kind: type[Checked], value: Any, what: str, where: object) -> Checked:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        wrong = as_gesso_error(error)
        raise GessoError(f"{what}: {wrong.where}: {wrong.what}", where=where, fix="give the file as Gesso wrote it") from None
