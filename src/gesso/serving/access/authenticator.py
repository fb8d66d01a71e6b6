"""Authentication: a token in a header, or a one-time link that sets a login cookie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Literal, NamedTuple

from gesso.serving.database import ServerDatabase
from gesso.serving.settings import Settings

COOKIE_DAYS = 30
MOST_KEYS = 100


class Identity(NamedTuple):
    """The owner of a request, and how the owner was identified."""

    owner: str
    by: Literal["token", "cookie"]


class Authenticator:
    """Checks tokens, links and logins. Secrets are stored as hashes and compared in constant time; logins survive a restart."""

    def __init__(self, settings: Settings, database: ServerDatabase, extra_token: str | None = None) -> None:
        """`extra_token` is a further token of the first owner, valid until this server ends."""
        self._tokens = [(_hash(token), owner) for owner, token in settings.tokens.items()]
        self._tokens += [] if extra_token is None else [(_hash(extra_token), next(iter(settings.tokens)))]
        self._owners = set(settings.tokens)
        self._keys: dict[bytes, str] = {}
        self._lock = threading.Lock()
        self._database, self._address = database, settings.address
        self.cookie = f"gesso-{settings.port}"  # cookies are shared by all ports of a host, so each server uses its own name
        self._secure_hosts = frozenset(settings.names)

    def link(self, owner: str | None = None) -> str:
        """A link that logs its first visitor in as `owner` (default: the only owner)."""
        owner = next(iter(self._owners)) if owner is None and len(self._owners) == 1 else owner
        if owner not in self._owners:
            raise ValueError(f"there is no owner {owner!r}")
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._keys[_hash(key)] = owner
            while len(self._keys) > MOST_KEYS:
                del self._keys[next(iter(self._keys))]
        return f"{self._address}?key={key}"

    def redeem(self, key: str) -> str | None:
        """Exchange the key of a link for the secret of a new login. None if the key is unknown or was used."""
        with self._lock:
            owner = self._keys.pop(_hash(key), None)
        if owner is None:
            return None
        secret = secrets.token_urlsafe(32)
        now = time.time()
        try:
            with self._database.writing() as rows:
                rows.execute("delete from logins where made < ?", (now - COOKIE_DAYS * 86400,))
                rows.execute("insert into logins (hash, owner, made) values (?, ?, ?)", (_hash(secret), owner, now))
        except BaseException:  # on a full disk, for example: the login failed, so the link stays valid
            with self._lock:
                self._keys[_hash(key)] = owner
            raise
        return secret

    def set_cookie(self, secret: str, host: str) -> str:
        """The Set-Cookie header of a login."""
        secure = "; Secure" if host in self._secure_hosts else ""
        return f"{self.cookie}={secret}; Path=/; Max-Age={COOKIE_DAYS * 86400}; HttpOnly; SameSite=Strict{secure}"

    def identify(self, headers: Mapping[str, str]) -> Identity | None:
        """The identity behind headers with lower-case names. A wrong token gives None even if a valid cookie is sent beside it."""
        given = headers.get("authorization")
        if given is not None:
            scheme, _, token = given.partition(" ")
            owner = self._by_token(token.strip()) if scheme.lower() == "bearer" else None
            return Identity(owner, "token") if owner else None
        secret = self._from_cookie(headers.get("cookie", ""))
        owner = self._by_login(secret) if secret else None
        return Identity(owner, "cookie") if owner else None

    def _by_token(self, token: str) -> str | None:
        hashed, found = _hash(token), None
        for known, owner in self._tokens:  # compare all of them, so that the time reveals nothing
            if hmac.compare_digest(hashed, known):
                found = owner
        return found

    def _from_cookie(self, header: str) -> str | None:
        try:
            held = SimpleCookie(header[:8192]).get(self.cookie)
        except CookieError:
            return None
        return held.value if held else None

    def _by_login(self, secret: str) -> str | None:
        rows = self._database.read(
            "select owner from logins where hash = ? and made > ?", (_hash(secret), time.time() - COOKIE_DAYS * 86400)
        )
        return rows[0][0] if rows and rows[0][0] in self._owners else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
