"""Read a file's manifest: what it says, whether it is intact, and whether this machine's key signed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from gesso.errors import GessoError, MissingExtra
from gesso.marking.manifest import GENERATION
from gesso.media.budget import DEFAULT
from gesso.media.file import printable, read_bytes
from gesso.media.medium import budget_of
from gesso.media.png import SIGNATURE, chunks

# Never fetch an address from a manifest.
OFFLINE: Final[dict[str, Any]] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
KINDS = ((SIGNATURE, "image/png"), (b"PK\x03\x04", "zip"), (b"\xff\xd8\xff", "image/jpeg"), (b"8BPS", "image/vnd.adobe.photoshop"))
NO_PLACE = b"8BPS"
UNTRUSTED = "signingCredential.untrusted"
CERTIFICATES = "certificates"
INGREDIENT = ("title", "relationship", "instance_id")


@dataclass(frozen=True)
class ManifestReading:
    """A file's manifest. `state`: "absent" (which does not mean "not generated"), "intact", or "broken" (changed after signing).

    `failures` are C2PA's failure codes. `signer` is the name in the certificate, which anybody may choose; `own` is the fingerprint of this
    machine's key if that signed the file, and `retired` tells when and why that key was replaced. `says` is the manifest's JSON.
    """

    state: Literal["absent", "intact", "broken"]
    failures: tuple[str, ...] = ()
    signer: str = ""
    own: str = ""
    retired: str = ""
    source_types: tuple[str, ...] = ()
    ingredients: tuple[dict[str, Any], ...] = ()
    generation: dict[str, Any] | None = None
    says: dict[str, Any] = field(default_factory=dict)


def read_manifest(path: Path | str, *, folder: Path | None = None, beside: Path | str | None = None) -> ManifestReading:
    """The manifest of a file. `beside` is the manifest's own file; by default the .c2pa file of the same name, for formats that cannot hold
    a manifest. `folder` is the folder of this machine's signer, with its certificates."""
    source = Path(path)
    data = read_bytes(source, budget_of(source).max_bytes)
    if beside is None and data.startswith(NO_PLACE) and source.with_suffix(".c2pa").is_file():
        beside = source.with_suffix(".c2pa")
    apart = None if beside is None else read_bytes(Path(beside), DEFAULT.max_bytes)
    return manifest_in(data, apart, folder=folder, where=printable(source))


def manifest_in(data: bytes, beside: bytes | None = None, *, folder: Path | None = None, where: object = None) -> ManifestReading:
    """As `read_manifest`, for bytes. GessoError where the format is not supported, MissingExtra without c2pa."""
    read = _read(data, beside, OFFLINE, where)
    if read is None:
        return ManifestReading("absent")
    store, failures = read
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = active.get("signature_info") or {}
    own, retired = "", ""
    if not set(failures) - {UNTRUSTED}:
        own, retired = _own(data, beside, folder)
    assertions = [one for one in active.get("assertions", ()) if isinstance(one, dict)]
    acts = [act for one in assertions if str(one.get("label", "")).startswith("c2pa.actions") for act in _actions(one)]
    return ManifestReading(
        state="broken" if set(failures) - {UNTRUSTED} else "intact",
        failures=tuple(code for code in failures if code != UNTRUSTED),
        signer=", ".join(str(signature[name]) for name in ("common_name", "issuer") if signature.get(name)),
        own=own,
        retired=retired,
        source_types=tuple(dict.fromkeys(str(act["digitalSourceType"]) for act in acts if act.get("digitalSourceType"))),
        ingredients=tuple({name: one.get(name) for name in INGREDIENT} for one in active.get("ingredients", ())),
        generation=next((one.get("data") for one in assertions if one.get("label") == GENERATION), None),
        says=store,
    )


def certificates(folder: Path) -> Iterator[dict[str, Any]]:
    """This machine's keys, present and replaced: {"fingerprint", "since", "chain"} and, for a replaced one, {"retired", "reason"}."""
    place = folder / CERTIFICATES
    for path in sorted(place.glob("*.json")) if place.is_dir() else ():
        try:
            store = json.loads(read_bytes(path, 65_536))
        except (GessoError, ValueError):
            continue
        if isinstance(store, dict) and isinstance(store.get("chain"), str) and store.get("fingerprint") == path.stem:
            yield store


def _own(data: bytes, beside: bytes | None, folder: Path | None) -> tuple[str, str]:
    """The fingerprint of this machine's key if that signed the data, verified against its root; and when and why it was replaced."""
    for one in certificates(folder) if folder is not None else ():
        root = "-----BEGIN" + one["chain"].rpartition("-----BEGIN")[2]
        read = _read(data, beside, OFFLINE | {"trust": {"user_anchors": root}}, None)
        if read is not None and not read[1]:
            why = f"{one['retired']}: {one.get('reason', '')}" if one.get("retired") else ""
            return one["fingerprint"], why
    return "", ""


def _read(data: bytes, beside: bytes | None, settings: dict[str, Any], where: object) -> tuple[dict[str, Any], list[str]] | None:
    """The manifest store's JSON and C2PA's failure codes; None where there is no manifest."""
    import io

    try:
        import c2pa
    except ImportError as error:
        raise MissingExtra("c2pa-python", "studio", purpose="reading content credentials") from error
    kind = next((kind for start, kind in KINDS if data.startswith(start)), None)
    if kind is None:
        raise GessoError("only .png, .ora, .psd and .jpg files can have a manifest", where=where, fix="give one of these")
    try:
        failures = [] if _checksums_hold(data) else ["png.checksum"]
        with c2pa.Context.from_dict(settings) as context, c2pa.Reader(kind, io.BytesIO(data), beside, context) as reader:
            store = json.loads(reader.json())
            results = reader.get_validation_results() or {}
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError as error:
        if beside is None and data.startswith(NO_PLACE):
            return None
        return {}, [f"unreadable: {str(error)[:200]}"]
    failures += [str(one.get("code")) for one in (results.get("activeManifest") or {}).get("failure", ())]
    for delta in results.get("ingredientDeltas") or ():
        failures += [str(one.get("code")) for one in (delta.get("validationDeltas") or {}).get("failure", ())]
    if store.get("validation_state") == "Invalid" and not set(failures) - {UNTRUSTED}:
        failures.append("invalid")
    return store, list(dict.fromkeys(failures))


def _checksums_hold(data: bytes) -> bool:
    """Whether a PNG's checksums are right: c2pa does not check them, and nothing else covers a signature's padding."""
    return not data.startswith(SIGNATURE) or all(chunk.is_intact for chunk in chunks(data))


def _actions(assertion: dict[str, Any]) -> list[dict[str, Any]]:
    data = assertion.get("data")
    acts = data.get("actions") if isinstance(data, dict) else None
    return [act for act in acts if isinstance(act, dict)] if isinstance(acts, list) else []
