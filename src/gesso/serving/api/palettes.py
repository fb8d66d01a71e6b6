"""Endpoints of palettes: named lists of colours per owner, imported and exported as .gpl, .ase and .aco."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from fastapi import Request as Http
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gesso.errors import GessoError
from gesso.media.layers import LONGEST_NAME, hex_of
from gesso.media.palette import MAX_SWATCHES, Palette, Swatch
from gesso.serving.api.generate import download
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes, as_model, body_of, read_json
from gesso.serving.http_errors import TooManyRequests, UnknownId
from gesso.serving.services import Services
from gesso.serving.storage.file_store import ID

MOST_PALETTES = 200  # of one owner
JSON_BYTES = 2**20
FILES = {"gpl": "text/plain", "ase": "application/octet-stream", "aco": "application/octet-stream"}


class PaletteColour(BaseModel):
    """A colour, "#rrggbb", and an optional name, for example hair."""

    model_config = ConfigDict(extra="forbid")
    color: str = Field(pattern="^#[0-9a-fA-F]{6}$")
    name: Annotated[str, Field(max_length=4 * LONGEST_NAME)] = ""


class PaletteBody(BaseModel):
    """A palette: its name, for example of a character, and its colours in order."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(default="", max_length=4 * LONGEST_NAME)
    colours: list[PaletteColour] = Field(default_factory=list, max_length=MAX_SWATCHES)

    def to_palette(self) -> Palette:
        return Palette(tuple(Swatch(_rgb(one.color), one.name) for one in self.colours), self.name)


class PaletteStore:
    """Palettes in the server's database; all queries name the owner."""

    def __init__(self, services: Services) -> None:
        self._database = services.database

    def list(self, owner: str) -> list[dict[str, Any]]:
        rows = self._database.read("select id, name, colours from palettes where owner = ? order by made, rowid", (owner,))
        return [{"id": id, "name": name, "colours": json.loads(colours)} for id, name, colours in rows]

    def put(self, owner: str, id: str | None, palette: Palette) -> dict[str, Any]:
        """Create a palette, or replace the one with this id. It is on the disk when this returns."""
        colours = [{"color": hex_of(rgb), "name": name} for rgb, name in palette.swatches]
        with self._database.writing() as rows:
            if id is None:
                if rows.execute("select count(*) from palettes where owner = ?", (owner,)).fetchone()[0] >= MOST_PALETTES:
                    raise TooManyRequests(
                        f"there are {MOST_PALETTES} palettes already", where="palettes", fix="delete one", retry_after=3600
                    )
                id = secrets.token_urlsafe(16)
                rows.execute("insert into palettes values (?, ?, ?, ?, ?)", (id, owner, palette.name, json.dumps(colours), time.time()))
            else:
                values = (palette.name, json.dumps(colours), self._valid_id(id), owner)
                if not rows.execute("update palettes set name = ?, colours = ? where id = ? and owner = ?", values).rowcount:
                    raise _unknown()
        return {"id": id, "name": palette.name, "colours": colours}

    def find(self, owner: str, id: str) -> Palette:
        found = self._database.read("select name, colours from palettes where id = ? and owner = ?", (self._valid_id(id), owner))
        if not found:
            raise _unknown()
        return PaletteBody(name=found[0][0], colours=json.loads(found[0][1])).to_palette()

    def delete(self, owner: str, id: str) -> None:
        with self._database.writing() as rows:
            if not rows.execute("delete from palettes where id = ? and owner = ?", (self._valid_id(id), owner)).rowcount:
                raise _unknown()

    def _valid_id(self, id: str) -> str:
        if not ID.fullmatch(id):
            raise _unknown()
        return id


def register(routes: Routes, services: Services) -> None:
    """Register the endpoints of palettes."""
    palettes = PaletteStore(services)
    _files(routes, services, palettes)

    @routes.http("GET", "/api/palettes", who=TOKEN, tags=["palettes"], summary="Your palettes, in the order they were made")
    def everything(http: Http) -> Any:
        return {"palettes": palettes.list(identity_of(http).owner)}

    @routes.http("POST", "/api/palettes", who=TOKEN, max_body=JSON_BYTES, reads=PaletteBody, tags=["palettes"], summary="A new palette")
    async def add(http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, PaletteBody)
        return _created(await asyncio.to_thread(palettes.put, owner, None, body.to_palette()))

    @routes.http(
        "PUT", "/api/palettes/{id}", who=TOKEN, max_body=JSON_BYTES, reads=PaletteBody, tags=["palettes"], summary="A palette anew"
    )
    async def change(id: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, PaletteBody)
        return await asyncio.to_thread(palettes.put, owner, id, body.to_palette())

    @routes.http("DELETE", "/api/palettes/{id}", who=TOKEN, tags=["palettes"], summary="Delete a palette")
    def drop(id: str, http: Http) -> Any:
        palettes.delete(identity_of(http).owner, id)
        return Response(status_code=204)


def _files(routes: Routes, services: Services, palettes: PaletteStore) -> None:
    from gesso.media.palette_file import MAX_BYTES, encode_palette

    @routes.http(
        "POST",
        "/api/palettes/file",
        who=TOKEN,
        max_body=MAX_BYTES,
        tags=["palettes"],
        summary="A palette from a file: GIMP's .gpl, Adobe's .ase and .aco",
        openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": PICTURE_BODY}}},
    )
    async def import_file(http: Http, name: str = Query(default="", max_length=1000)) -> Any:
        owner, data = identity_of(http).owner, await body_of(http)

        def store() -> Any:
            read = as_model(services.decoder.palette(data), PaletteBody)
            return palettes.put(owner, None, PaletteBody(name=read.name or name[: 4 * LONGEST_NAME], colours=read.colours).to_palette())

        return _created(await asyncio.to_thread(store))

    @routes.http("GET", "/api/palettes/{id}/file", who=TOKEN, tags=["palettes"], summary="A palette as a file")
    def export_file(id: str, http: Http, format: Literal["gpl", "ase", "aco"] = "gpl") -> Any:
        palette = palettes.find(identity_of(http).owner, id)
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", palette.name).strip("-")[:60] or "palette"
        return Response(encode_palette(palette, f".{format}"), media_type=FILES[format], headers=download(f"{name}.{format}"))


def _created(palette: dict[str, Any]) -> Response:
    return JSONResponse(palette, 201, {"Location": f"/api/palettes/{palette['id']}"})


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _unknown() -> GessoError:
    return UnknownId("there is no such palette", where="id")
