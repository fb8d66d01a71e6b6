"""Palettes belong to their owner, are read and written as files, and invalid ones are refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gesso.media.palette import Palette, Swatch
from gesso.media.palette_file import encode_palette, read_palette
from gesso.serving.api import palettes

MINA = {"name": "미나", "colours": [{"color": "#2f2a26", "name": "hair"}, {"color": "#ffe3c8", "name": ""}]}


def test_a_palette_is_kept_changed_and_dropped(ann: TestClient) -> None:
    made = ann.post("/api/palettes", json=MINA)
    assert made.status_code == 201 and made.json() == {"id": made.json()["id"], **MINA}
    other = {"name": "Mina at night", "colours": [{"color": "#101020", "name": "hair"}]}
    at = made.headers["location"]
    assert ann.put(at, json=other).json()["colours"] == other["colours"]
    assert [one["name"] for one in ann.get("/api/palettes").json()["palettes"]] == ["Mina at night"]
    assert ann.delete(at).status_code == 204 and ann.get("/api/palettes").json() == {"palettes": []}
    assert ann.put(at, json=other).status_code == ann.delete(at).status_code == 404


def test_palettes_outlive_the_server(make_app: Any, client_of: Any) -> None:
    first = make_app()
    client_of(first, "ann").post("/api/palettes", json=MINA)
    first.state.services.close()
    assert client_of(make_app(), "ann").get("/api/palettes").json()["palettes"][0]["name"] == "미나"


def test_palettes_of_other_users_are_not_found(app: FastAPI, ann: TestClient, client_of: Any) -> None:
    at, bob = ann.post("/api/palettes", json=MINA).headers["location"], client_of(app, "bob")
    assert bob.get("/api/palettes").json() == {"palettes": []}
    assert {bob.put(at, json=MINA).status_code, bob.delete(at).status_code, bob.get(f"{at}/file").status_code} == {404}
    assert len(ann.get("/api/palettes").json()["palettes"]) == 1


@pytest.mark.parametrize("format", ["gpl", "ase", "aco"])
def test_files_go_out_and_come_in(ann: TestClient, format: str) -> None:
    at = ann.post("/api/palettes", json=MINA).headers["location"]
    file = ann.get(f"{at}/file", params={"format": format})
    assert file.headers["content-disposition"].endswith(f'.{format}"')
    assert [swatch.rgb for swatch in read_palette(file.content).swatches] == [(47, 42, 38), (255, 227, 200)]
    back = ann.post("/api/palettes/file", params={"name": "from a file"}, content=file.content)
    assert back.status_code == 201 and [one["name"] for one in back.json()["colours"]] == ["hair", ""]
    assert back.json()["name"] == ("from a file" if format == "aco" else "미나")  # .aco knows no name of its own


@pytest.mark.parametrize(
    "file", [b"", b"GIMP", b"GIMP Palette\n300 1 1", b"ASEF\0\1\0\0\xff\xff\xff\xff", b"\0\1\xff\xff", b"\x89PNG\r\n", b"{}"]
)
def test_what_is_no_palette_is_refused(ann: TestClient, file: bytes) -> None:
    answer = ann.post("/api/palettes/file", content=file)
    assert answer.status_code == 400 and answer.json()["error"]["what"] and ann.get("/api/palettes").json() == {"palettes": []}


@pytest.mark.parametrize(
    "body", [{"colours": [{"color": "red"}]}, {"colours": "x"}, {"name": 3}, {"colours": [{"color": "#fff000"}] * 5000}, []]
)
def test_wrong_bodies_are_refused(ann: TestClient, body: Any) -> None:
    assert ann.post("/api/palettes", json=body).status_code == 400


def test_too_many_are_refused(ann: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(palettes, "MOST_PALETTES", 2)
    assert [ann.post("/api/palettes", json=MINA).status_code for _ in range(3)] == [201, 201, 429]


def test_a_full_palette_comes_through(ann: TestClient) -> None:
    whole = Palette(tuple(Swatch((n % 256, n // 256, 7), f"name {n}") for n in range(4096)), "all")
    assert len(ann.post("/api/palettes/file", content=encode_palette(whole, ".ase")).json()["colours"]) == 4096
