"""For tests of serving: a server with a toy recipe and two owners, its client, and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from gesso.serving import Limits, Settings, create_app

HOST = "127.0.0.1:8765"
TOKENS = {"ann": "a" * 15 + "0123456789", "bob": "b" * 15 + "0123456789"}
DOTS = Path(__file__).parent / "dots.py"


def draw(width: int = 12, height: int = 10, mode: str = "RGB", format: str = "PNG", seed: int = 0, **more: Any) -> bytes:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels, mode).save(held, format, **more)
    return held.getvalue()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """picture(width, height, mode, format, seed): a file full of noise."""
    return draw


def bearer(owner: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[owner]}"}


@pytest.fixture
def make_app(tmp_path: Path) -> Iterator[Callable[..., FastAPI]]:
    made: list[FastAPI] = []

    def make(**more: Any) -> FastAPI:
        app_more = {name: more.pop(name) for name in ("pages", "extend") if name in more}
        quiet = {"limits": Limits(**more.pop("limits", {})), "sign": False}
        app = create_app(
            Settings(**{"home": tmp_path / "home", "tokens": TOKENS, "recipes": [DOTS], **quiet, **more}),
            **app_more,
        )
        made.append(app)
        return app

    yield make
    for app in made:
        app.state.services.close()


@pytest.fixture
def app(make_app: Callable[..., FastAPI]) -> FastAPI:
    return make_app()


@pytest.fixture
def client_of() -> Callable[..., TestClient]:
    """client_of(app, owner): a client with that owner's token, or with none."""
    return open_client


def open_client(app: FastAPI, owner: str | None = None, **more: Any) -> TestClient:
    headers = bearer(owner) if owner else {}
    return TestClient(app, base_url=f"http://{HOST}", headers=headers, raise_server_exceptions=False, follow_redirects=False, **more)


@pytest.fixture
def ann(app: FastAPI) -> TestClient:
    return open_client(app, "ann")


@pytest.fixture
def bob(app: FastAPI) -> TestClient:
    return open_client(app, "bob")


@pytest.fixture
def stranger(app: FastAPI) -> TestClient:
    return open_client(app)
