"""The signer's key and its certificates: created at the first start, in one file that only its owner can read.

Imported only by the signer process. The file holds the leaf's private key and the chain (leaf and root). The root's key signs the one leaf
and is then discarded, so nothing remains that could certify a second signer.

The key is not encrypted: for an unattended start the passphrase would have to be stored beside it. Whoever can read this user's files can
copy the key; `renew` replaces it.

Signatures have no trusted time stamp, because that would need a request to another machine. The certificate is therefore valid for many
years; when it expires, pictures no longer verify as intact.
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
    """The key in `folder`, created if there is none. Two processes that call this at once get the same key."""
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
            os.link(temporary, path)  # unlike a rename, this never replaces a file
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)
    return _load(path)


def renew(folder: Path, reason: str) -> Key:
    """Replace the key. The old private key is deleted; its certificate is kept with time and reason."""
    path = folder / FILE
    if path.exists():
        try:
            old = _load(path)
        except GessoError:
            pass  # a damaged key has no certificate to keep
        else:
            _keep_certificates(folder, old, {"retired": _now().isoformat(timespec="seconds"), "reason": reason[:500]})
        path.unlink()
    for left in folder.glob(f".{FILE}.*"):  # left where the creation of a key was killed
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
    """Save the certificates, by which `reading` recognises this machine's signatures."""
    place = folder / CERTIFICATES
    place.mkdir(exist_ok=True, mode=0o700)
    path = place / f"{key.fingerprint}.json"
    if about or not path.exists():
        facts = {"fingerprint": key.fingerprint, "since": key.since, "chain": key.chain.decode()} | about
        write_atomic(path, json.dumps(facts, indent=1).encode())


def _fresh() -> bytes:
    """A new key with its chain, as PEM. The names in it identify neither the machine nor its user."""
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
    """A certificate after the C2PA certificate profile: X.509 v3 with key usage and an extended key usage."""
    now = _now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks may be set back
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
        # The usage that c2pa's reader accepts from signers on no trust list.
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(signs, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
