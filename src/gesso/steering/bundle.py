"""A session as one file: a zip of session.json and its long texts, named by hash. It is untrusted input and is read within limits."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gesso.errors import GessoError, as_gesso_error
from gesso.media.budget import in_megabytes
from gesso.media.file import parse_json
from gesso.steering import blob
from gesso.steering.insert import StoreLimits
from gesso.steering.session import Node, Session, clean_name

FORMAT = 1
INDEX = "session.json"
BLOB = re.compile(r"blobs/([0-9a-f]{64})")
END, ZIP64, END_SIZE, ZIP64_SIZE = b"PK\x05\x06", b"PK\x06\x07", 22, 20
MAX_DIRECTORY = 2**24  # bytes of the zip's central directory, which is read whole
MAX_INDEX = 2**27  # bytes of session.json, unpacked
MAX_TEXTS = 2**30  # bytes of all long texts, unpacked
MAX_USES = 2**32  # bytes of the texts, counted once for each node that uses them, because each is read
WHERE = "session file"
FIX = "give a file that Gesso's studio exported"

Id = Annotated[str, Field(min_length=1, max_length=100)]


class FileNode(BaseModel):
    """A node in session.json; its ids are valid within the file only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    parent: Id | None
    edit: dict[str, Any]
    name: str = ""
    favourite: bool = Field(default=False, strict=True)
    created: str = Field(default="", max_length=40)

    @field_validator("name")
    @classmethod
    def _clean(cls, value: str) -> str:
        return clean_name(value, "name")

    @field_validator("created")
    @classmethod
    def _time(cls, value: str) -> str:
        return datetime.fromisoformat(value).isoformat(timespec="microseconds") if value else value


class Bundle(BaseModel):
    """The contents of session.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gesso_session: Literal[1]
    recipe: str = Field(max_length=100)
    preset: str = Field(default="", max_length=100)
    weights: dict[str, Annotated[str, Field(max_length=100)]] = Field(default_factory=dict, max_length=100)
    title: str = ""
    head: Id
    nodes: tuple[FileNode, ...] = Field(min_length=1)

    @field_validator("title")
    @classmethod
    def _clean(cls, value: str) -> str:
        return clean_name(value, "title")

    @model_validator(mode="after")
    def _a_tree(self) -> Self:
        seen: set[str] = set()
        for node in self.nodes:
            if (node.parent is None) != (not seen) or (node.parent is not None and node.parent not in seen):
                raise ValueError(f"the parent of node {node.id!r} is not an earlier node")
            if node.id in seen:
                raise ValueError(f"two nodes have the id {node.id!r}")
            seen.add(node.id)
        if self.head not in seen:
            raise ValueError(f"the head {self.head!r} is not among the nodes")
        return self

    @classmethod
    def of(cls, session: Session, nodes: Sequence[Node]) -> Self:
        kept = tuple(
            FileNode(id=n.id, parent=n.parent, edit=dict(n.edit), name=n.name, favourite=n.favourite, created=n.created) for n in nodes
        )
        return cls(
            gesso_session=1,
            recipe=session.recipe,
            preset=session.preset,
            weights=dict(session.weights),
            title=session.title,
            head=session.head,
            nodes=kept,
        )


def pack(bundle: Bundle, texts: Mapping[str, str]) -> bytes:
    """The session as zip bytes; the same session gives the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=False, compresslevel=6) as packed:
        index = json.dumps(bundle.model_dump(mode="json"), ensure_ascii=True, separators=(",", ":"))
        if len(index) > MAX_INDEX or sum(map(len, texts.values())) > MAX_TEXTS:
            raise GessoError("is too large for one file", where="session", fix="save its pictures one by one")
        for name, text in {INDEX: index, **{f"blobs/{sha256}": texts[sha256] for sha256 in sorted(texts)}}.items():
            about = zipfile.ZipInfo(name)  # dated 1980, so that equal sessions give equal bytes
            about.compress_type, about.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            packed.writestr(about, text.encode())
    return file.getvalue()


def unpack(data: bytes, limits: StoreLimits) -> tuple[Bundle, dict[str, str]]:
    """session.json, checked against its schema, and the long texts, checked against their hashes; GessoError for any other data."""
    _check_directory(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = _names(packed)
            bundle = _bundle(_unpacked(packed, names[INDEX], MAX_INDEX))
            left = min(MAX_TEXTS, limits.max_owner_bytes)
            texts: dict[str, str] = {}
            for name, info in names.items():
                if name != INDEX:
                    raw = _unpacked(packed, info, left)
                    left -= len(raw)
                    texts[name.removeprefix("blobs/")] = raw.decode()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, GessoError):
            raise
        raise GessoError(f"is damaged ({type(error).__name__})", where=WHERE, fix=FIX) from error
    if len(bundle.nodes) > limits.max_nodes:
        raise GessoError(f"has {len(bundle.nodes)} nodes", where=WHERE, fix=f"at most {limits.max_nodes}")
    uses = [sha256 for node in bundle.nodes for sha256 in blob.hashes(node.edit)]
    if sum(len(texts.get(sha256, "")) for sha256 in uses) > MAX_USES:
        raise GessoError("uses its large parts too often", where=WHERE, fix="a smaller session")
    needed = set(uses)
    if needed != set(texts) or any(blob.hash_of(text) != sha256 for sha256, text in texts.items()):
        raise GessoError("some of its parts are missing or do not match their hash", where=WHERE, fix=FIX)
    return bundle, texts


def _check_directory(data: bytes) -> None:
    """Refuse data that is not a zip, and zips whose directory would fill the memory. Ours have no comment and are not zip64."""
    end = data[-END_SIZE:]
    if len(data) < END_SIZE or not end.startswith(END) or data[-END_SIZE - ZIP64_SIZE :].startswith(ZIP64):
        raise GessoError("is not a zip, or is cut off", where=WHERE, fix=FIX)
    if int.from_bytes(end[12:16], "little") > MAX_DIRECTORY:
        raise GessoError("lists more files than a session can have", where=WHERE, fix=FIX)


def _names(packed: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    names: dict[str, zipfile.ZipInfo] = {}
    for info in packed.infolist():
        if info.filename in names or not (info.filename == INDEX or BLOB.fullmatch(info.filename)):
            raise GessoError(f"contains {info.filename[:60]!r}, which is not part of a session", where=WHERE, fix=FIX)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            raise GessoError("uses a compression that is not supported", where=WHERE, fix=FIX)
        names[info.filename] = info
    if INDEX not in names:
        raise GessoError(f"contains no {INDEX}", where=WHERE, fix=FIX)
    return names


def _unpacked(packed: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    with packed.open(info) as file:
        data = file.read(most + 1) if info.file_size <= most else None
    if data is None or len(data) > most:
        raise GessoError(f"unpacks to more than {in_megabytes(most)}", where=WHERE, fix="a smaller session")
    return data


def _bundle(index: bytes) -> Bundle:
    given = parse_json(index, where=WHERE)
    if not isinstance(given, dict) or given.get("gesso_session") != FORMAT:
        raise GessoError("is not a session of this version of Gesso", where=WHERE, fix=FIX)
    try:
        return Bundle.model_validate(given)
    except ValidationError as error:
        wrong = as_gesso_error(error)
        raise GessoError(f"{wrong.where}: {wrong.what}", where=WHERE, fix=FIX) from None
