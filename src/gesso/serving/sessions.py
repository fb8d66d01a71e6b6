"""Routes of sessions: a tree of edits that only grows, shown, named, compared, taken away and brought back."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Literal

import numpy as np
from fastapi import Query, Response
from fastapi import Request as Http
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.marking.signing_request import Branch
from gesso.serving.credentials import file_answer, lasts
from gesso.serving.guard import TOKEN, identity_of
from gesso.serving.make import download, made
from gesso.serving.outputs import first_picture, handed, medium_of, pixels_of, smaller
from gesso.serving.room import Room
from gesso.serving.routes import Routes, body_of, read_json

MOST_PICTURES = 5000  # in a session's file: each is decoded by a child
TITLE = Field(default="", max_length=1000)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Begin(_Body):
    """A new session of a recipe; `edits` are its root. `weights` {recipe: sha256} of a training of yours stand in for the server's."""

    recipe: str
    title: str = TITLE
    weights: dict[str, str] = Field(default_factory=dict, max_length=1)
    edits: list[dict[str, Any]] = Field(default_factory=list, max_length=1000)


class Step(_Body):
    """An edit of `parent` (null: the head). The same `client` key again gives the node that the first one made."""

    edit: dict[str, Any]
    parent: str | None = None
    client: str | None = Field(default=None, max_length=200)


class Head(_Body):
    """Another node in hand: by its id, or by a move."""

    node: str | None = None
    move: Literal["undo", "redo"] | None = None


class Mark(_Body):
    """A node's name, and whether it is a favourite; what is left out stays."""

    name: str | None = Field(default=None, max_length=1000)
    favourite: bool | None = None


class Title(_Body):
    """The body of a session renamed."""

    title: str = TITLE


def register(routes: Routes, room: Room) -> None:
    _whole_sessions(routes, room)
    _nodes(routes, room)
    _thumbs(routes, room)
    _files(routes, room)


def _whole_sessions(routes: Routes, room: Room) -> None:
    store, limits = room.sessions, room.settings.limits

    @routes.http("POST", "/api/sessions", who=TOKEN, max_body=limits.json_bytes, reads=Begin, tags=["sessions"], summary="Begin a session")
    async def begin(http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, Begin)

        def create() -> Any:
            card = room.catalogue.card(body.recipe)
            if body.weights:
                own = room.jobs.weights_meant(owner, card.name, body.weights)
                if own is None:
                    raise GessoError("are of no training of yours", where="weights", fix=f"see trained of GET /api/recipes/{card.name}")
                room.learned.keep(owner, own)
            edits = [room.given.edit(owner, card, one) for one in body.edits]
            begun = store.create(owner, card.name, body.title, edits, weights=body.weights)
            room.learned.let_go(owner, {hashed for one in store.list(owner) for hashed in one.weights.values()})
            return told(room, owner, begun.id)

        answer = await asyncio.to_thread(create)
        return JSONResponse(answer, 201, {"Location": f"/api/sessions/{answer['session']['id']}"})

    @routes.http("GET", "/api/sessions", who=TOKEN, tags=["sessions"], summary="Your sessions, the one changed last first")
    def sessions(http: Http) -> Any:
        return {"sessions": [one.model_dump(mode="json") for one in store.list(identity_of(http).owner)]}

    @routes.http("GET", "/api/sessions/{id}", who=TOKEN, tags=["sessions"], summary="A session and the tree of its nodes")
    def session(id: str, http: Http) -> Any:
        return told(room, identity_of(http).owner, id)

    @routes.http("DELETE", "/api/sessions/{id}", who=TOKEN, tags=["sessions"], summary="Delete a session")
    def delete(id: str, http: Http) -> Any:
        owner = identity_of(http).owner
        store.delete(owner, id)
        room.thumbs.forget(owner, id)
        return Response(status_code=204)

    @routes.http("GET", "/api/search", who=TOKEN, tags=["sessions"], summary="Sessions and nodes in which all the words are found")
    def search(http: Http, q: str = Query(max_length=1000)) -> Any:
        return {"found": [one.model_dump(mode="json") for one in store.search(identity_of(http).owner, q)]}


def _nodes(routes: Routes, room: Room) -> None:
    store, limits = room.sessions, room.settings.limits

    @routes.http("POST", "/api/sessions/{id}/edits", who=TOKEN, max_body=limits.json_bytes, reads=Step, tags=["sessions"], summary="Edit")
    async def edit(id: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, Step)

        def append() -> Any:
            card = room.catalogue.card(store.session(owner, id).recipe)
            node = store.append(owner, id, body.parent, room.given.edit(owner, card, body.edit), body.client)
            return {"node": node.model_dump(mode="json"), "missing": list(store.missing(owner, id, node.id))}

        return JSONResponse(await asyncio.to_thread(append), 201)

    @routes.http(
        "PUT", "/api/sessions/{id}/head", who=TOKEN, max_body=65_536, reads=Head, tags=["sessions"], summary="Undo, redo, or show a node"
    )
    async def head(id: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, Head)
        if (body.node is None) == (body.move is None):
            raise GessoError("names no node, or two things", where="body", fix='{"node": id}, or {"move": "undo"}')

        def move() -> Any:
            if body.node is not None:
                return store.show(owner, id, body.node)
            return store.undo(owner, id) if body.move == "undo" else store.redo(owner, id)

        return (await asyncio.to_thread(move)).model_dump(mode="json")

    @routes.http("GET", "/api/sessions/{id}/nodes/{node}", who=TOKEN, tags=["sessions"], summary="A node, and what is given up to it")
    def see(id: str, node: str, http: Http) -> Any:
        owner = identity_of(http).owner
        state = store.state(owner, id, node)
        given = {slot: parts(value, f"/api/sessions/{id}/nodes/{node}/given/{slot}") for slot, value in state.values.items()}
        missing = list(store.missing(owner, id, node))
        about = {"conditions": given, "settings": dict(state.settings), "seed": state.seed, "missing": missing}
        return {"node": store.node(owner, id, node).model_dump(mode="json"), **about}

    @routes.http(
        "GET", "/api/sessions/{id}/nodes/{node}/given/{slot}", who=TOKEN, tags=["sessions"], summary="A picture that was given, as PNG"
    )
    def see_given(
        id: str,
        node: str,
        slot: str,
        http: Http,
        part: str = Query(default="", max_length=100),
        max_side: int = Query(default=0, ge=0, le=2**15),
    ) -> Any:
        """With `max_side`, at most that long; X-Page says "width height" of the whole."""
        from gesso.media.picture import encode_png

        value = store.state(identity_of(http).owner, id, node).values.get(slot)
        arrays = pictures_in(value) if value is not None else {}
        chosen = arrays.get(part or next(iter(arrays), ""))
        if chosen is None:
            raise GessoError("holds no such picture", where=slot, fix="one of " + (", ".join(arrays) or "none"))
        seen = _seen(chosen) if not max_side else smaller(_seen(chosen), max_side)
        page = {"X-Page": f"{chosen.shape[1]} {chosen.shape[0]}"}
        return Response(encode_png(seen, compress_level=3), media_type="image/png", headers=download(f"{slot}.png") | LASTING | page)

    @routes.http(
        "PATCH", "/api/sessions/{id}/nodes/{node}", who=TOKEN, max_body=65_536, reads=Mark, tags=["sessions"], summary="Name a node"
    )
    async def mark(id: str, node: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, Mark)

        def write() -> Any:
            if body.name is not None:
                store.rename(owner, id, node, body.name)
            if body.favourite is not None:
                store.favourite(owner, id, node, body.favourite)
            return store.node(owner, id, node)

        return (await asyncio.to_thread(write)).model_dump(mode="json")

    @routes.http(
        "GET",
        "/api/sessions/{id}/nodes/{node}/{output}",
        who=TOKEN,
        tags=["sessions"],
        summary="What a node makes, as PNG, or layers as ora or psd",
    )
    async def show(
        id: str,
        node: str,
        output: str,
        http: Http,
        index: int = Query(default=0, ge=0, le=10_000),
        max_side: int = Query(default=0, ge=0, le=2**15),
        clean: bool = False,
        format: Literal["png", "ora", "psd"] = "png",
    ) -> Any:
        owner = identity_of(http).owner
        with room.renderer.place(owner) as queue:
            request = await room.think(store.request, owner, id, node)
            medium_of(room.catalogue.card(request.recipe), output)
            result = await made(http, room, queue(("http", owner), room.work(owner, request, ("session", id))))

            def leave() -> Any:
                branch = None if clean else Branch.of(id, store.branch(owner, id, node))
                file = handed(room.marker, result, output, format, index, clean=clean, max_side=max_side, branch=branch)
                return file_answer(room, owner, file, download(f"{request.recipe}.{format}") | (LASTING if lasts(file) else {}))

            return await room.think(leave)

    @routes.http("GET", "/api/sessions/{id}/compare", who=TOKEN, tags=["sessions"], summary="What node b has otherwise than node a")
    def compare(id: str, http: Http, a: str = Query(max_length=100), b: str = Query(max_length=100)) -> Any:
        return JSONResponse({"differences": store.compare(identity_of(http).owner, id, a, b)})


def _thumbs(routes: Routes, room: Room) -> None:
    store, thumbs = room.sessions, room.thumbs

    @routes.http("GET", "/api/sessions/{id}/thumbs/{node}", who=TOKEN, tags=["sessions"], summary="A node small, as PNG; 204 where none is")
    async def thumb(id: str, node: str, http: Http, make: bool = True) -> Any:
        """`make=false` gives only what is there already."""
        owner = identity_of(http).owner

        def look() -> tuple[bytes | None, bool]:
            store.node(owner, id, node)
            kept = thumbs.find(owner, id, node)
            return kept, kept is None and make and not store.missing(owner, id, node)

        png, wanted = await asyncio.to_thread(look)
        if wanted:
            request = await asyncio.to_thread(store.request, owner, id, node)
            name = first_picture(room.catalogue.card(request.recipe))
            if name is not None:
                work = room.work(owner, request, ("thumbs", owner))
                result = await made(http, room, room.renderer.submit(owner, ("thumbs", owner), work))
                png = await asyncio.to_thread(lambda: thumbs.put(owner, id, node, pixels_of(result, name)))
        if png is None:
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return Response(png, media_type="image/png", headers=LASTING | {"Gesso-Signed": "no; a small view for the page"})


LASTING = {"Cache-Control": "private, max-age=3600"}  # a node never changes


def _files(routes: Routes, room: Room) -> None:
    store, limits = room.sessions, room.settings.limits

    @routes.http("GET", "/api/sessions/{id}/export", who=TOKEN, tags=["sessions"], summary="The whole session as one file")
    async def export(id: str, http: Http) -> Any:
        owner = identity_of(http).owner

        def pack() -> Any:
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", store.session(owner, id).title).strip("-")[:60] or "session"
            return Response(store.export(owner, id), media_type="application/zip", headers=download(f"{name}.gesso.zip"))

        return await room.think(pack)  # all of it is in memory: few at once

    @routes.http(
        "POST",
        "/api/sessions/import",
        who=TOKEN,
        max_body=limits.import_bytes,
        tags=["sessions"],
        summary="A session from its file",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}
        },
    )
    async def bring(http: Http) -> Any:
        owner, data = identity_of(http).owner, await body_of(http)

        num = 0

        def clean(url: str) -> str:
            nonlocal num
            num += 1
            if num > MOST_PICTURES:
                raise GessoError(f"the file holds more than {MOST_PICTURES} pictures", where="body", fix="a smaller session")
            return room.decoder.clean_url(url, where="picture")

        def take() -> Any:
            brought = store.import_(owner, data, clean=clean)
            own = room.jobs.weights_meant(owner, brought.recipe, brought.weights)
            if own is not None:
                room.learned.keep(owner, own)
            return told(room, owner, brought.id)

        return JSONResponse(await asyncio.to_thread(take), 201)


def told(room: Room, owner: str, id: str) -> dict[str, Any]:
    """A session with its tree."""
    store = room.sessions
    session = store.session(owner, id)
    nodes = [one.model_dump(mode="json") for one in store.tree(owner, id)]
    return {"session": session.model_dump(mode="json"), "nodes": nodes, "missing": list(store.missing(owner, id))}


def pictures_in(value: Condition) -> dict[str, np.ndarray]:
    """The parts of a condition that are pictures."""
    held = {name: getattr(value, name) for name in type(value).model_fields}
    return {name: one for name, one in held.items() if isinstance(one, np.ndarray) and one.ndim in (2, 3) and one.dtype in (np.uint8, bool)}


def parts(value: Condition, address: str) -> dict[str, Any]:
    """A condition as JSON, pictures by their address and size."""
    pictures = pictures_in(value)
    told = value.model_dump(mode="json", exclude=set(pictures))
    for name, one in pictures.items():
        told[name] = {"url": f"{address}?part={name}", "width": one.shape[1], "height": one.shape[0]}
    return told


def _seen(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
