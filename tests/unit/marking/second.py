"""A second validator of signed PNGs, written from the specifications alone: JUMBF boxes, CBOR, COSE, hashes; no line of c2pa's.

It knows only what our own signer writes. Sources: C2PA 2.x ("Validation"), ISO 19566-5 (JUMBF), RFC 8949 (CBOR), RFC 9052 (COSE).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


class Wrong(Exception):
    """Why it is not valid."""


def check(png: bytes) -> dict[str, Any]:
    """The claim of a PNG whose signature, assertions and bytes all agree; Wrong where they do not."""
    try:
        return _check(png)
    except (struct.error, IndexError, KeyError, ValueError, TypeError, UnicodeDecodeError, AttributeError) as error:
        raise Wrong(f"cannot be read: {error!r}") from error


def _check(png: bytes) -> dict[str, Any]:
    store, start, length = _chunk(png)
    boxes = dict(_labelled(store))
    if len(boxes) != 1:
        raise Wrong("no store")
    manifests = dict(_labelled(next(iter(boxes.values()))))
    if len(manifests) != 1:
        raise Wrong("not one manifest")
    parts = dict(_labelled(next(iter(manifests.values()))))
    claim_bytes = _content(parts["c2pa.claim.v2"])
    claim = decode(claim_bytes)
    _check_signature(decode(_content(parts["c2pa.signature"])), claim_bytes)
    assertions = dict(_labelled(parts["c2pa.assertions"]))
    named = [*claim["created_assertions"], *claim.get("gathered_assertions", [])]
    if sorted(one["url"] for one in named) != sorted(f"self#jumbf=c2pa.assertions/{name}" for name in assertions):
        raise Wrong("other assertions than the claim names")
    for one in named:
        if hashlib.sha256(assertions[one["url"].rpartition("/")[2]]).digest() != one["hash"]:
            raise Wrong(f"{one['url']} was changed")
    bound = decode(_content(assertions["c2pa.hash.data"]))
    if bound["exclusions"] != [{"start": start, "length": length}]:
        raise Wrong("something else than the manifest is left out of the hash")
    if hashlib.sha256(png[:start] + png[start + length :]).digest() != bound["hash"]:
        raise Wrong("the file was changed")
    return claim


def _check_signature(signed: Any, claim: bytes) -> None:
    protected, _, payload, signature = signed
    header = decode(protected)
    if payload is not None or header[1] != -7:  # ES256
        raise Wrong("signed in another way")
    leaf, root = (x509.load_der_x509_certificate(one) for one in header[33])
    text = b"\x84" + _item(3, b"Signature1") + _item(2, protected) + _item(2, b"") + _item(2, claim)
    pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        leaf.public_key().verify(pair, text, ec.ECDSA(hashes.SHA256()))
        leaf.verify_directly_issued_by(root)
    except InvalidSignature:
        raise Wrong("the signature does not hold") from None


def _chunk(png: bytes) -> tuple[bytes, int, int]:
    """The manifest's chunk: its contents, where it begins, and its length with head and checksum."""
    position = 8
    while True:
        (length,), kind = struct.unpack_from(">I", png, position), png[position + 4 : position + 8]
        if kind == b"caBX":
            return png[position + 8 : position + 8 + length], position, length + 12
        if kind == b"IEND":
            raise Wrong("no manifest")
        position += length + 12


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 0
    while position < len(data):
        (length,), kind = struct.unpack_from(">I", data, position), data[position + 4 : position + 8]
        if length < 8 or position + length > len(data):
            raise Wrong("a box of a wrong length")
        yield kind, data[position + 8 : position + length]
        position += length


def _labelled(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The superboxes in `data`: label, and contents with the description."""
    for kind, contents in _boxes(data):
        if kind == b"jumb":
            described = next(_boxes(contents))
            yield described[1][17:].split(b"\0", 1)[0].decode(), contents


def _content(superbox: bytes) -> bytes:
    return next(contents for kind, contents in _boxes(superbox) if kind == b"cbor")


def _item(major: int, data: bytes) -> bytes:
    size = len(data)
    if size < 24:
        return bytes([major << 5 | size]) + data
    extra = 1 if size < 256 else 2 if size < 65536 else 4
    return bytes([major << 5 | (23 + extra.bit_length())]) + size.to_bytes(extra, "big") + data


def decode(data: bytes) -> Any:
    value, end = _decoded(data, 0)
    if end != len(data):
        raise Wrong("CBOR with something after it")
    return value


def _decoded(data: bytes, at: int) -> tuple[Any, int]:
    major, small, at = data[at] >> 5, data[at] & 31, at + 1
    if major == 7:
        return {20: False, 21: True, 22: None}[small], at
    if small >= 24:
        width = 1 << (small - 24)
        small, at = int.from_bytes(data[at : at + width], "big"), at + width
    if major in (0, 1):
        return (small if major == 0 else -1 - small), at
    if major in (2, 3):
        if at + small > len(data):
            raise Wrong("CBOR cut short")
        return (data[at : at + small] if major == 2 else data[at : at + small].decode()), at + small
    if major == 6:
        return _decoded(data, at)
    values = []
    for _ in range(small * (2 if major == 5 else 1)):
        value, at = _decoded(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2], strict=True)) if major == 5 else values), at
