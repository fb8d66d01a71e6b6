"""Inspect: the record and content credentials in a file, whether they are intact, and whose key signed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gesso.errors import GessoError
from gesso.marking.reading import ManifestReading, read_manifest
from gesso.media.file import printable, read_bytes
from gesso.media.medium import medium_of_file
from gesso.record import Record, read_record
from gesso.storage.home import SIGNING, data_home

LARGEST = 2**30  # bytes of a file whose credentials are looked for


@dataclass(frozen=True)
class Inspection:
    """The `record` that `gesso replay` reads, and the `manifest` of content credentials; `unread` is why the manifest could not be read."""

    record: Record | None
    manifest: ManifestReading | None
    unread: str = ""

    def to_json(self) -> dict[str, Any]:
        seen = None if self.manifest is None else vars(self.manifest)
        return {"record": None if self.record is None else self.record.to_json(), "manifest": seen, "unread": self.unread}

    def rows(self) -> list[list[str]]:
        """[what, found] for display, the verdict first; control characters in a file's text are replaced."""
        return [[what, printable(found)] for what, found in self._rows()]

    def _rows(self) -> list[list[str]]:
        rows = [["credentials", self.verdict()]]
        seen = self.manifest
        if seen is not None and seen.state != "absent":
            rows += [["signer", whose(seen)]]
            rows += [["source", source.rpartition("/")[2]] for source in seen.source_types]
            rows += [["ingredient", f"{one['title']} ({one['relationship']})"] for one in seen.ingredients]
            branch = seen.generation.get("branch") if isinstance(seen.generation, dict) else None
            if isinstance(branch, dict):
                rows += [["branch", f"{branch.get('num_nodes')} nodes of session {branch.get('session')}"]]
        if self.record is None:
            return [*rows, ["record", "none: gesso replay cannot make it again"]]
        asked = self.record.request
        rows += [["record", f"{asked.recipe}, seed {asked.seed}, gesso {self.record.gesso}, {self.record.made.time}"]]
        return [*rows, ["given", ", ".join([*asked.conditions, *self.record.left]) or "nothing"]]

    def verdict(self) -> str:
        if self.manifest is None:
            return self.unread
        return {
            "absent": "none; this does not prove that the picture is authentic",
            "intact": "intact: neither the file nor what it says was changed since it was signed",
            "broken": "broken: changed since it was signed (" + ", ".join(self.manifest.failures) + ")",
        }[self.manifest.state]


def whose(seen: ManifestReading) -> str:
    """The signer's name or key, and that no trust list was checked."""
    if seen.state == "broken":
        return f"says {seen.signer or 'nothing'}; not to be believed"
    if seen.own:
        gone = f", retired {seen.retired}" if seen.retired else ""
        return f"this machine's own key {seen.own[:16]}…{gone}; on no trust list"
    return f"{seen.signer or 'unnamed'}; not this machine's key, and not looked up in any trust list"


def inspect(path: Path | str, *, manifest: Path | str | None = None, home: Path | None = None) -> Inspection:
    """The record and credentials of a file. `manifest` is the path of the .c2pa file, if they are not embedded. Nothing is downloaded.

    `home` is the folder with the certificates of this machine's key.
    """
    source, record, seen, unread = Path(path), None, None, ""
    known = medium_of_file(source)
    large = known is not None and known.streamed and source.is_file() and source.stat().st_size > LARGEST  # a film, read in place
    if not large:
        read_bytes(source, LARGEST)  # a missing or unreadable file is an error, a file without a record is not
    try:
        record = read_record(source)
    except GessoError:
        record = None
    if large:
        return Inspection(record, None, "not looked for: the file is large")
    try:
        seen = read_manifest(source, folder=(home or data_home()) / SIGNING, beside=manifest)
    except GessoError as error:
        if record is None:
            raise
        unread = str(error)
    return Inspection(record, seen, unread)
