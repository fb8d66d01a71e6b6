"""Settings of a server: where it stores data, who may use it, and its limits."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget
from gesso.number import whole
from gesso.storage.home import data_home

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LEAST_TOKEN = 22  # letters: 128 bits in base64
OWNER = re.compile(r"[a-z0-9_-]{1,40}")
NAME = re.compile(r"[a-z0-9.-]{1,253}(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Limits:
    """Limits of one request, of one owner, and of the whole server."""

    picture: Budget = DEFAULT
    json_bytes: int = 64 * 2**20  # enough for a page of 16.8 million pixels as a data URL
    message_bytes: int = 8 * 2**20  # over the live socket; larger pictures are uploaded
    import_bytes: int = 256 * 2**20
    film_bytes: int = 2**32  # of one uploaded film, which goes to the disk as it comes
    body_bytes: int = 2**30  # of all bodies in memory
    body_bytes_each: int = 2**29  # of one owner
    body_pause: float = 30.0  # seconds without data of a body
    decode_seconds: int = 10
    decode_bytes: int = 2**30  # of memory of one decode worker
    decoding: int = 2  # at once
    decodes_waiting: int = 16
    requests: int = 256  # at once, of all owners
    requests_each: int = 64
    waiting: int = 64  # renders, of all owners
    waiting_each: int = 8  # of one owner
    kept_bytes: int = 2**32  # of one owner's uploads, and the same of outputs and of films
    kept_items: int = 4000
    sockets_each: int = 16
    messages_a_second: int = 400
    variations: int = 8  # pictures of one request
    loaded: int = 4  # recipes held in memory
    lines_kept: int = 8  # drawings whose intermediate results are held in memory
    jobs_running_each: int = 1  # of one owner
    jobs_waiting_each: int = 20  # of one owner, including running ones
    jobs_kept_each: int = 200  # of one owner, including ended ones
    job_files: int = 2000  # uploads in one job
    job_bytes: int = 2**35  # of all jobs of one owner, with their outputs


def default_tokens() -> dict[str, str]:
    """One owner, "me", with the token in GESSO_TOKEN, else a random one."""
    return {"me": os.environ.get("GESSO_TOKEN") or secrets.token_urlsafe(32)}


@dataclass(frozen=True)
class Settings:
    """`tokens` {owner: secret}: each owner sees only their own data. `recipes` are names or files (None: all that are found);
    `weights` {name of a recipe: file} replace the shipped ones.

    `device` is where networks run, such as "cpu" or "cuda" (None: what is there).

    `names` are further host names under which a TLS proxy serves this server. A `host` that other machines can reach is refused
    without `behind_proxy`. Without `sign`, outputs are not signed; responses, the health endpoint and the page say so. `jobs` run in
    local processes ("here"), on a cluster ("ray"), or not at all ("off"); by default one at a time on one thread, so that interactive
    users do not wait for them. `warm` loads the recipe that the page starts with before the first request.
    """

    home: Path = field(default_factory=data_home)
    host: str = "127.0.0.1"
    port: int = 8765
    tokens: Mapping[str, str] = field(default_factory=default_tokens, repr=False)
    recipes: Sequence[str | Path] | None = None
    weights: Mapping[str, str | Path] = field(default_factory=dict)
    device: str | None = None
    names: Sequence[str] = ()
    behind_proxy: bool = False
    jobs: Literal["here", "ray", "off"] = "here"
    jobs_at_once: int = 1
    job_threads: int = 1
    limits: Limits = field(default_factory=Limits)
    sign: bool = True
    warm: bool = True

    def __post_init__(self) -> None:
        for name, high in (("port", 65535), ("jobs_at_once", 64), ("job_threads", 256)):
            object.__setattr__(self, name, whole(getattr(self, name), where=name, low=1, high=high))
        if self.host not in ("127.0.0.1", "localhost", "::1") and not self.behind_proxy:
            raise GessoError(
                "other machines could reach this server over an unencrypted connection",
                where="host",
                fix="127.0.0.1, or --behind-proxy with a proxy that speaks TLS in front, and its names",
            )
        if self.jobs not in ("here", "ray", "off"):
            raise GessoError(f"jobs cannot be done {self.jobs!r}", where="jobs", fix="here, ray or off")
        if not self.tokens:
            raise GessoError("there is no owner, so no request could be allowed", where="tokens", fix="{owner: secret}")
        for owner, token in self.tokens.items():
            if not OWNER.fullmatch(owner):
                raise GessoError(f"{owner!r} cannot be an owner's name", where="tokens", fix="1 to 40 of a-z, 0-9, _ and -")
            if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
                raise GessoError(f"the token of {owner!r} could be guessed", where="tokens", fix=f"{LEAST_TOKEN} random letters or more")
        if len({*self.tokens.values()}) != len(self.tokens):
            raise GessoError("two owners have one token", where="tokens", fix="one each")
        for name in self.names:
            if not NAME.fullmatch(name):
                raise GessoError(f"{name!r} is not a host name", where="names", fix="studio.example.org, or with :port")

    @property
    def hosts(self) -> frozenset[str]:
        """The allowed values of a Host header."""
        own = {f"{name}:{self.port}" for name in LOOPBACK} | (set(LOOPBACK) if self.port == 80 else set())
        return frozenset(own | set(self.names))

    @property
    def origins(self) -> frozenset[str]:
        """The allowed values of an Origin header: http for this server's own addresses, https for the names of a proxy."""
        own = {f"http://{name}" for name in self.hosts - set(self.names)}
        return frozenset(own | {f"https://{name}" for name in self.names})

    @property
    def address(self) -> str:
        """The address for a browser on this machine."""
        return f"http://{'[::1]' if self.host == '::1' else '127.0.0.1'}:{self.port}/"
