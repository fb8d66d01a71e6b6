"""The process that signs, run as `python -m gesso.marking.signer FOLDER`: it alone opens the key, and it alone writes manifests.

What it does: reads orders from its standard input, each the facts of an output and the file that the pipeline has written; builds the
manifest from the facts itself; signs it over the file's hash; answers with the signed file, or with the manifest alone where the format
has no place for one.

What it guarantees, whatever the server says: the private key is in this process's memory and file only; nothing signed with it ever claims
that a camera captured or a person created it, for an order has no field for that; what was given is an ingredient; a file carries the very
record that its manifest names; no manifest that is there already is taken over; and orders come from who started this process, over a
pipe that nobody else holds, each proved with a secret of this start.

What it does not: a server that is taken over can have any picture signed as made by Gesso, because only the server knows what it rendered.
A person who gives a whole picture as a part to keep gets it back signed, as a composite with that ingredient: never as captured.
It runs as the same user as the server, so that whoever reads this user's files can read the key; what it keeps apart is memory: the server
reads strangers' bytes all day, and nothing that leaks from it is the key.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gesso.errors import GessoError, readable
from gesso.marking.key import FILE, Key, load_or_make, renew
from gesso.marking.manifest import manifest_of
from gesso.marking.order import ORA, PNG, PSD, Order
from gesso.marking.wire import SECRET_BYTES, Broken, Line
from gesso.media.png import chunks
from gesso.record import carried_text

MOST_MEMORY = 4 * 2**30
STARTS = {PNG: b"\x89PNG\r\n\x1a\n", ORA: b"PK\x03\x04", PSD: b"8BPS"}
NAMES = {PNG: PNG, ORA: "zip", PSD: PSD}  # as c2pa calls them: OpenRaster is a zip to it, and is hashed member by member
MANIFEST_CHUNK, MANIFEST_MEMBER = b"caBX", b"META-INF/content_credential.c2pa"
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, "builder": {"thumbnail": {"enabled": False}}}


def main(folder: Path, command: str = "") -> None:
    """Answer orders until the line ends, or the key is replaced."""
    alone()
    secret = sys.stdin.buffer.read(SECRET_BYTES)
    line = Line(sys.stdin.buffer, sys.stdout.buffer, secret)
    try:
        key = renew(folder, command) if command else load_or_make(folder)
    except (GessoError, OSError) as error:
        what = error.what if isinstance(error, GessoError) else (error.strerror or "it cannot be kept")
        line.send({"error": what})
        return
    no_more_files()
    line.send({"fingerprint": key.fingerprint, "since": key.since, "chain": key.chain.decode()})
    with contextlib.suppress(Broken):
        while True:
            told, data = line.receive()
            if identity(folder) != key.identity:
                return  # whoever starts this anew gets the new key
            try:
                answer, made = answered(key, told, data)
            except (GessoError, MemoryError) as error:
                answer, made = {"error": str(error) or "there is not enough memory"}, b""
            line.send(answer, made)


def answered(key: Key, told: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """The file signed, or its manifest beside it; GessoError where the order or the file is not one of ours."""
    try:
        order = Order.model_validate(told)
    except ValidationError as error:
        raise GessoError(f"this is no order: {readable(error)}") from None
    check_file(order, data)
    beside = order.format == PSD
    made = signed(key, order, data, beside=beside)
    return {"beside": beside}, made


def check_file(order: Order, data: bytes) -> None:
    """GessoError unless the file is of its format, has no manifest yet, and, where it has a record, the one that is ordered."""
    if not data.startswith(STARTS[order.format]):
        raise GessoError(f"this is no {order.format}")
    if order.format == PNG:
        if any(chunk.kind == MANIFEST_CHUNK for chunk in chunks(data)):
            raise GessoError("this PNG has a manifest already")
    elif order.format == ORA and (b"mimetype" + ORA.encode() not in data[:200] or MANIFEST_MEMBER in data):
        raise GessoError("this is no OpenRaster file without a manifest")
    text = carried_text(data, where=order.format)
    if text is not None and hashlib.sha256(text.encode()).hexdigest() != order.record:
        raise GessoError("this file has another record than the one ordered")


def signed(key: Key, order: Order, data: bytes, *, beside: bool) -> bytes:
    """The file with its manifest inside, or the manifest alone."""
    import c2pa

    name, out = NAMES[order.format], io.BytesIO()
    about = c2pa.C2paSignerInfo(b"es256", key.chain, key.private, None)
    try:
        with c2pa.Context.from_dict(OFFLINE) as context, c2pa.Signer.from_info(about) as pen:
            with c2pa.Builder(manifest_of(order), context) as builder:
                if beside:
                    builder.set_no_embed()
                manifest: bytes = builder.sign(pen, name, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise GessoError(f"c2pa does not sign it: {str(error)[:300]}") from error
    return manifest if beside else out.getvalue()


def identity(folder: Path) -> tuple[int, int] | None:
    try:
        about = os.stat(folder / FILE)
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def alone() -> None:
    """From here on no core dump, no debugger of the same user, and no more memory than the largest file takes."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            system = ctypes.CDLL(None)
            system.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
            system.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def no_more_files() -> None:
    """The key is read: nothing will be written any more."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
