"""The signer's key and its certificates: made at first start, kept in one file that its owner alone may read.

Imported by the signer's process and by nothing else. The file holds the leaf's private key and the chain, leaf and root; the root's
key signs the one leaf and is thrown away, so that nothing is kept that could make a second signer.

The key is not encrypted: the passphrase would have to lie beside it for the server to start by itself, and would protect from nobody
who can read the folder. Whoever can read this user's files can take the key; then renew it.

No clock but this machine's stands behind a signature, since a time stamp would have to be asked of another machine. So the certificate
is valid for long, or pictures would cease to be readable as intact with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gesso.errors import GessoError
from gesso.media.file import read_bytes, write_atomic

FILE, CERTIFICATES = "signer.pem", "certificates"
YEARS = 20
MAX_BYTES = 65_536
ORGANISATION = "Gesso on one machine, on no trust list"


class Key(NamedTuple):
    """`private` and `chain` (leaf, then root) as PEM; `fingerprint` is the leaf's SHA-256; `identity` changes when the file is replaced."""

    private: bytes
    chain: bytes
    fingerprint: str
    since: str
    identity: tuple[int, int]


def load_or_make(folder: Path) -> Key:
    """The key in `folder`, made if there is none. Two who come at once end with one key."""
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(folder, 0o700)
    if not path.exists():
        temporary = folder / f".{FILE}.{secrets.token_hex(8)}"
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_fresh())
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)  # unlike a rename, this takes nobody's place
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    return _load(path)


def renew(folder: Path, reason: str) -> Key:
    """A new key in the old one's place. The old private key is gone; its certificate stays, with when and why."""
    path = folder / FILE
    if path.exists():
        try:
            old = _load(path)
        except GessoError:
            pass  # there is nothing left of it to keep
        else:
            _keep_certificates(folder, old, {"retired": _now().isoformat(timespec="seconds"), "reason": reason[:500]})
        path.unlink()
    for left in folder.glob(f".{FILE}.*"):  # a second name of the old one, where its making was killed
        left.unlink(missing_ok=True)
    return load_or_make(folder)


def _load(path: Path) -> Key:
    if os.name != "nt" and path.stat().st_mode & 0o077:
        os.chmod(path, 0o600)
    about, held = path.stat(), read_bytes(path, MAX_BYTES)
    try:
        private = serialization.load_pem_private_key(held, None)
        leaf, *_ = chain = x509.load_pem_x509_certificates(held)
        if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != leaf.public_key() or len(chain) != 2:
            raise ValueError
    except (ValueError, TypeError):
        raise GessoError("the signer's key is damaged", where=path.name, fix="gesso signer --renew makes a new one") from None
    key = Key(
        _private_pem(private),
        b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain),
        leaf.fingerprint(hashes.SHA256()).hex(),
        leaf.not_valid_before_utc.date().isoformat(),
        (about.st_ino, about.st_mtime_ns),
    )
    _keep_certificates(path.parent, key, {})
    return key


def _keep_certificates(folder: Path, key: Key, about: dict[str, str]) -> None:
    """The public half, where `reading` finds which signatures are this machine's."""
    place = folder / CERTIFICATES
    place.mkdir(exist_ok=True, mode=0o700)
    path = place / f"{key.fingerprint}.json"
    if about or not path.exists():
        told = {"fingerprint": key.fingerprint, "since": key.since, "chain": key.chain.decode()} | about
        write_atomic(path, json.dumps(told, indent=1).encode())


def _fresh() -> bytes:
    """A new key with its chain, as PEM. The names say nothing of the machine or its user."""
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    number = hashlib.sha256(leaf_key.public_key().public_bytes(*_POINT)).hexdigest()[:12]
    root_name, leaf_name = _name(f"Gesso root {number}"), _name(f"Gesso signer {number}")
    root = _certificate(root_name, root_name, root_key.public_key(), root_key, is_root=True)
    leaf = _certificate(leaf_name, root_name, leaf_key.public_key(), root_key, is_root=False)
    return _private_pem(leaf_key) + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root))


_POINT = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _certificate(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, signs: ec.EllipticCurvePrivateKey, *, is_root: bool
) -> x509.Certificate:
    """As the specification's certificate profile asks: X.509 v3, a key usage, a purpose that signs documents."""
    now = _now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks are put right backwards, too
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=0 if is_root else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signs.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_root, key_cert_sign=is_root, crl_sign=is_root, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if not is_root:
        # The purpose that c2pa's reader takes from signers outside its own lists.
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(signs, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
