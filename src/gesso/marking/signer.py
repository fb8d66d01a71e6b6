"""The process that signs, run as `python -m gesso.marking.signer FOLDER`: only it reads the private key and writes manifests.

What it does: it reads signing requests from standard input, each with the facts of an output and the file that the server wrote; builds the
manifest from these facts; signs it over the file's hash; answers with the signed file, or with the manifest alone where the format cannot
hold one.

What it guarantees, whatever the server sends:
- The private key exists only in this process's memory and in the key file.
- No manifest claims that a camera captured or a person created the picture, because a request has no field for it.
- The user's pictures are listed as ingredients, and a file contains the record that its manifest names.
- Files that already have a manifest are refused.
- Requests come from the process that started this one, over a private pipe, authenticated with a secret of this start.

What it does not guarantee: a compromised server can have any picture signed as made by Gesso, because only the server knows what it
rendered. If `keep` covers the whole picture, the output is signed as a composite of that picture, never as captured. The signer runs as
the server's user, so any process of this user can read the key. The separation protects memory: the server parses untrusted
input, and a leak of its memory does not contain the key.
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

from gesso.errors import GessoError, as_gesso_error
from gesso.marking.key import FILE, Key, load_or_make, renew
from gesso.marking.manifest import manifest_of
from gesso.marking.signer_protocol import SECRET_BYTES, ProtocolError, SignerChannel
from gesso.marking.signing_request import ORA, PNG, PSD, SigningRequest
from gesso.media.png import chunks
from gesso.record import carried_text

MOST_MEMORY = 4 * 2**30
STARTS = {PNG: b"\x89PNG\r\n\x1a\n", ORA: b"PK\x03\x04", PSD: b"8BPS"}
NAMES = {PNG: PNG, ORA: "zip", PSD: PSD}  # c2pa's names: it treats OpenRaster as a zip, and hashes each member
MANIFEST_CHUNK, MANIFEST_MEMBER = b"caBX", b"META-INF/content_credential.c2pa"
OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}, "builder": {"thumbnail": {"enabled": False}}}


def main(folder: Path, command: str = "") -> None:
    """Answer signing requests until the input ends or the key is replaced."""
    restrict_process()
    secret = sys.stdin.buffer.read(SECRET_BYTES)
    channel = SignerChannel(sys.stdin.buffer, sys.stdout.buffer, secret)
    try:
        key = renew(folder, command) if command else load_or_make(folder)
    except (GessoError, OSError) as error:
        what = error.what if isinstance(error, GessoError) else (error.strerror or "it cannot be kept")
        channel.send({"error": what})
        return
    forbid_writing()
    channel.send({"fingerprint": key.fingerprint, "since": key.since, "chain": key.chain.decode()})
    with contextlib.suppress(ProtocolError):
        while True:
            message, data = channel.receive()
            if identity(folder) != key.identity:
                return  # the next start reads the new key
            try:
                answer, made = answered(key, message, data)
            except (GessoError, MemoryError) as error:
                answer, made = {"error": str(error) or "there is not enough memory"}, b""
            channel.send(answer, made)


def answered(key: Key, message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    """The answer and the signed file, or its manifest where the format cannot hold one; GessoError for an invalid request or file."""
    try:
        request = SigningRequest.model_validate(message)
    except ValidationError as error:
        raise GessoError(f"invalid signing request: {as_gesso_error(error)}") from None
    check_file(request, data)
    beside = request.format == PSD
    made = signed(key, request, data, beside=beside)
    return {"beside": beside}, made


def check_file(request: SigningRequest, data: bytes) -> None:
    """GessoError unless the file has the requested format, no manifest yet, and, if any, the requested record."""
    if not data.startswith(STARTS[request.format]):
        raise GessoError(f"this is not a file of the type {request.format}")
    if request.format == PNG:
        if any(chunk.kind == MANIFEST_CHUNK for chunk in chunks(data)):
            raise GessoError("this PNG already has a manifest")
    elif request.format == ORA and (b"mimetype" + ORA.encode() not in data[:200] or MANIFEST_MEMBER in data):
        raise GessoError("this is not an OpenRaster file, or it already has a manifest")
    text = carried_text(data, where=request.format)
    if text is not None and hashlib.sha256(text.encode()).hexdigest() != request.record:
        raise GessoError("the file's record differs from the record in the request")


def signed(key: Key, request: SigningRequest, data: bytes, *, beside: bool) -> bytes:
    """The file with its manifest inside, or the manifest alone."""
    import c2pa

    name, out = NAMES[request.format], io.BytesIO()
    about = c2pa.C2paSignerInfo(b"es256", key.chain, key.private, None)
    try:
        with c2pa.Context.from_dict(OFFLINE) as context, c2pa.Signer.from_info(about) as pen:
            with c2pa.Builder(manifest_of(request), context) as builder:
                if beside:
                    builder.set_no_embed()
                manifest: bytes = builder.sign(pen, name, io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise GessoError(f"c2pa cannot sign it: {str(error)[:300]}") from error
    return manifest if beside else out.getvalue()


def identity(folder: Path) -> tuple[int, int] | None:
    try:
        about = os.stat(folder / FILE)
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def restrict_process() -> None:
    """Forbid core dumps and debuggers of the same user, and limit memory to what the largest file needs."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            system = ctypes.CDLL(None)
            system.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
            system.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def forbid_writing() -> None:
    """Forbid writing to files; called once the key is read."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
