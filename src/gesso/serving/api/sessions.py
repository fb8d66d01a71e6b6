"""Endpoints of sessions: a tree of edits that only grows, to be viewed, named, compared, exported and imported."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Query, Response
from fastapi import Request as Http
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.marking.signing_request import Branch
from gesso.number import Whole
from gesso.request import MAX_SEED
from gesso.serving.api.generate import MOST_OF_ONE, download, fits_of, rank_results, wait_for_result
from gesso.serving.api.signing import file_answer, is_cacheable
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import Routes, body_of, read_json
from gesso.serving.render.outputs import check_format, output_file, pixels_of, shown_output, smaller
from gesso.serving.render.renderer import RenderJob
from gesso.serving.services import Services
from gesso.steering.branches import merge_branch

MOST_PICTURES = 5000  # in an imported session: each is decoded in the sandbox
TITLE = Field(default="", max_length=1000)


class _SessionBody(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CreateSession(_SessionBody):
    """A new session of a recipe. `edits` form its root; `weights` {recipe: sha256} select weights that you trained."""

    recipe: str
    title: str = TITLE
    weights: dict[str, str] = Field(default_factory=dict, max_length=1)
    edits: list[dict[str, Any]] = Field(default_factory=list, max_length=1000)


class AppendEdit(_SessionBody):
    """An edit of `parent` (null: the head). Repeating a `client` key returns the node that the first request made."""

    edit: dict[str, Any]
    parent: str | None = None
    client: str | None = Field(default=None, max_length=200)


class MergeBranch(_SessionBody):
    """Merge the branch of `node` into `into` (null: the head). Where both say something else of the same, `wins` says which counts: that
    of the newer node ("later"), that of `into` ("this"), or that of `node` ("that")."""

    node: str = Field(max_length=100)
    into: str | None = Field(default=None, max_length=100)
    wins: Literal["later", "this", "that"] = "later"


class MoveHead(_SessionBody):
    """Move the head to a node: by its id, or by undo or redo."""

    node: str | None = None
    move: Literal["undo", "redo"] | None = None


class UpdateNode(_SessionBody):
    """A node's name, and whether it is a favourite. Omitted fields keep their values."""

    name: str | None = Field(default=None, max_length=1000)
    favourite: bool | None = None


class RankSeeds(_SessionBody):
    """Seeds to make a node's output with."""

    seeds: list[Annotated[Whole, Field(ge=0, le=MAX_SEED)]] = Field(min_length=1, max_length=MOST_OF_ONE)


def register(routes: Routes, services: Services) -> None:
    _register_sessions(routes, services)
    _register_nodes(routes, services)
    _register_thumbnails(routes, services)
    _register_import_export(routes, services)


def _register_sessions(routes: Routes, services: Services) -> None:
    store, limits = services.sessions, services.settings.limits

    @routes.http(
        "POST", "/api/sessions", who=TOKEN, max_body=limits.json_bytes, reads=CreateSession, tags=["sessions"], summary="Create a session"
    )
    async def create(http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, CreateSession)

        def store_session() -> Any:
            card = services.catalogue.card(body.recipe)
            if body.weights:
                wanted = body.weights.get(card.name, "")
                own = services.jobs.find_weights(owner, card.name, body.weights) or services.user_weights.find(owner, wanted)
                if own is None:
                    raise GessoError(
                        "you have no weights with this hash", where="weights", fix=f"see trained of GET /api/recipes/{card.name}"
                    )
                services.user_weights.add(owner, own)
            card = services.card_of_weights(owner, card.name, body.weights) or card
            edits = [services.sanitizer.sanitize_edit(owner, card, one) for one in body.edits]
            begun = store.create(owner, card.name, body.title, edits, weights=body.weights)
            services.user_weights.delete_unused(owner, {hashed for one in store.list(owner) for hashed in one.weights.values()})
            return session_json(services, owner, begun.id)

        answer = await asyncio.to_thread(store_session)
        return JSONResponse(answer, 201, {"Location": f"/api/sessions/{answer['session']['id']}"})

    @routes.http("GET", "/api/sessions", who=TOKEN, tags=["sessions"], summary="Your sessions, the one changed last first")
    def sessions(http: Http) -> Any:
        return {"sessions": [one.model_dump(mode="json") for one in store.list(identity_of(http).owner)]}

    @routes.http("GET", "/api/sessions/{id}", who=TOKEN, tags=["sessions"], summary="A session and the tree of its nodes")
    def session(id: str, http: Http) -> Any:
        return session_json(services, identity_of(http).owner, id)

    @routes.http("DELETE", "/api/sessions/{id}", who=TOKEN, tags=["sessions"], summary="Delete a session")
    def delete(id: str, http: Http) -> Any:
        owner = identity_of(http).owner
        store.delete(owner, id)
        services.thumbnails.delete_session(owner, id)
        return Response(status_code=204)

    @routes.http("GET", "/api/search", who=TOKEN, tags=["sessions"], summary="Sessions and nodes that contain all words")
    def search(http: Http, q: str = Query(max_length=1000)) -> Any:
        return {"found": [one.model_dump(mode="json") for one in store.search(identity_of(http).owner, q)]}


def _register_nodes(routes: Routes, services: Services) -> None:
    store, limits = services.sessions, services.settings.limits

    @routes.http(
        "POST", "/api/sessions/{id}/edits", who=TOKEN, max_body=limits.json_bytes, reads=AppendEdit, tags=["sessions"], summary="Edit"
    )
    async def edit(id: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, AppendEdit)

        def append() -> Any:
            card = store.session_card(owner, store.session(owner, id))
            node = store.append(owner, id, body.parent, services.sanitizer.sanitize_edit(owner, card, body.edit), body.client)
            return {"node": node.model_dump(mode="json"), "missing": list(store.missing(owner, id, node.id))}

        return JSONResponse(await asyncio.to_thread(append), 201)

    @routes.http(
        "POST", "/api/sessions/{id}/merge", who=TOKEN, max_body=65_536, reads=MergeBranch, tags=["sessions"], summary="Merge two branches"
    )
    async def merge(id: str, http: Http) -> Any:
        """`both` names the conditions and settings that both branches had changed."""
        owner, body = identity_of(http).owner, await read_json(http, MergeBranch)

        def run() -> Any:
            made = merge_branch(store, owner, id, body.node, body.into, wins=body.wins)
            missing = list(store.missing(owner, id, made.node.id))
            return {"node": made.node.model_dump(mode="json"), "both": list(made.both), "missing": missing}

        return JSONResponse(await asyncio.to_thread(run), 201)

    @routes.http(
        "PUT",
        "/api/sessions/{id}/head",
        who=TOKEN,
        max_body=65_536,
        reads=MoveHead,
        tags=["sessions"],
        summary="Undo, redo, or show a node",
    )
    async def head(id: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, MoveHead)
        if (body.node is None) == (body.move is None):
            raise GessoError("give exactly one of node, move", where="body", fix='{"node": id}, or {"move": "undo"}')

        def move() -> Any:
            if body.node is not None:
                return store.show(owner, id, body.node)
            return store.undo(owner, id) if body.move == "undo" else store.redo(owner, id)

        return (await asyncio.to_thread(move)).model_dump(mode="json")

    @routes.http("GET", "/api/sessions/{id}/nodes/{node}", who=TOKEN, tags=["sessions"], summary="A node, and the values of its conditions")
    def see(id: str, node: str, http: Http) -> Any:
        owner = identity_of(http).owner
        state = store.state(owner, id, node)
        given = {slot: condition_json(value, f"/api/sessions/{id}/nodes/{node}/given/{slot}") for slot, value in state.values.items()}
        missing = list(store.missing(owner, id, node))
        about = {"conditions": given, "settings": dict(state.settings), "seed": state.seed, "missing": missing}
        return {"node": store.node(owner, id, node).model_dump(mode="json"), **about}

    @routes.http(
        "GET", "/api/sessions/{id}/nodes/{node}/given/{slot}", who=TOKEN, tags=["sessions"], summary="A picture of a condition, as PNG"
    )
    def see_given(
        id: str,
        node: str,
        slot: str,
        http: Http,
        part: str = Query(default="", max_length=100),
        max_side: int = Query(default=0, ge=0, le=2**15),
    ) -> Any:
        """With `max_side`, scaled down to it; the header X-Page holds "width height" of the original."""
        from gesso.media.picture import encode_png

        value = store.state(identity_of(http).owner, id, node).values.get(slot)
        arrays = pictures_in(value) if value is not None else {}
        chosen = arrays.get(part or next(iter(arrays), ""))
        if chosen is None:
            raise GessoError("holds no such picture", where=slot, fix="one of " + (", ".join(arrays) or "none"))
        shown = _as_uint8(chosen) if not max_side else smaller(_as_uint8(chosen), max_side)
        page = {"X-Page": f"{chosen.shape[1]} {chosen.shape[0]}"}
        return Response(encode_png(shown, compress_level=3), media_type="image/png", headers=download(f"{slot}.png") | LASTING | page)

    @routes.http(
        "PATCH", "/api/sessions/{id}/nodes/{node}", who=TOKEN, max_body=65_536, reads=UpdateNode, tags=["sessions"], summary="Name a node"
    )
    async def mark(id: str, node: str, http: Http) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, UpdateNode)

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
        summary="An output of a node: as PNG, as JSON, or as a file of its medium (ora, psd, mid, mp4, …)",
    )
    async def show(
        id: str,
        node: str,
        output: str,
        http: Http,
        index: int = Query(default=0, ge=0, le=10_000),
        max_side: int = Query(default=0, ge=0, le=2**15),
        clean: bool = False,
        format: str = Query(default="png", pattern="^[a-z0-9]{1,12}$"),
    ) -> Any:
        owner = identity_of(http).owner
        with services.renderer.reserve(owner) as queue:
            request = await services.run_in_cpu_pool(store.request, owner, id, node)
            check_format(services.catalogue.card(request.recipe), output, format)
            result = await wait_for_result(http, services, queue(("http", owner), RenderJob(owner, request, ("session", id))))

            def encode() -> Any:
                branch = None if clean else Branch.of(id, store.branch(owner, id, node))
                file = output_file(services.marker, result, output, format, index, clean=clean, max_side=max_side, branch=branch)
                return file_answer(services, owner, file, download(f"{request.recipe}.{format}") | (LASTING if is_cacheable(file) else {}))

            return await services.run_in_cpu_pool(encode)

    @routes.http(
        "POST",
        "/api/sessions/{id}/ranks/{node}",
        who=TOKEN,
        max_body=10_000,
        reads=RankSeeds,
        tags=["sessions"],
        summary="How well a node's output fits its words with other seeds, the best first",
    )
    async def rank(id: str, node: str, http: Http) -> Any:
        owner = identity_of(http).owner
        with services.renderer.reserve(owner) as queue:
            request = await services.run_in_cpu_pool(store.request, owner, id, node)
            seeds = dict.fromkeys((await read_json(http, RankSeeds)).seeds)
            ranked = await rank_results(http, services, queue, owner, lambda: [request.model_copy(update={"seed": seed}) for seed in seeds])
            return {"ranked": fits_of(ranked)}

    @routes.http("GET", "/api/sessions/{id}/compare", who=TOKEN, tags=["sessions"], summary="How node b differs from node a")
    def compare(id: str, http: Http, a: str = Query(max_length=100), b: str = Query(max_length=100)) -> Any:
        return JSONResponse({"differences": store.compare(identity_of(http).owner, id, a, b)})


def _register_thumbnails(routes: Routes, services: Services) -> None:
    store, thumbnails = services.sessions, services.thumbnails

    @routes.http(
        "GET",
        "/api/sessions/{id}/thumbs/{node}",
        who=TOKEN,
        tags=["sessions"],
        summary="The thumbnail of a node, as PNG; 204 if there is none",
    )
    async def thumb(id: str, node: str, http: Http, make: bool = True) -> Any:
        """`make=false` returns only a thumbnail that exists already."""
        owner = identity_of(http).owner

        def find() -> tuple[bytes | None, bool]:
            store.node(owner, id, node)
            kept = thumbnails.find(owner, id, node)
            return kept, kept is None and make and not store.missing(owner, id, node)

        png, wanted = await asyncio.to_thread(find)
        if wanted:
            request = await asyncio.to_thread(store.request, owner, id, node)
            name = shown_output(services.catalogue.card(request.recipe))
            if name is not None:
                job = RenderJob(owner, request, ("thumbs", owner))
                result = await wait_for_result(http, services, services.renderer.submit(owner, ("thumbs", owner), job))
                png = await asyncio.to_thread(lambda: thumbnails.put(owner, id, node, pixels_of(result, name)))
        if png is None:
            return Response(status_code=204, headers={"Cache-Control": "no-store"})
        return Response(png, media_type="image/png", headers=LASTING | {"Gesso-Signed": "no; a small view for the page"})


LASTING = {"Cache-Control": "private, max-age=3600"}  # a node never changes


def _register_import_export(routes: Routes, services: Services) -> None:
    store, limits = services.sessions, services.settings.limits

    @routes.http("GET", "/api/sessions/{id}/export", who=TOKEN, tags=["sessions"], summary="The whole session as one file")
    async def export(id: str, http: Http) -> Any:
        owner = identity_of(http).owner

        def pack() -> Any:
            name = re.sub(r"[^A-Za-z0-9_-]+", "-", store.session(owner, id).title).strip("-")[:60] or "session"
            return Response(store.export(owner, id), media_type="application/zip", headers=download(f"{name}.gesso.zip"))

        return await services.run_in_cpu_pool(pack)  # the whole file is in memory, so only a few run at once

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
    async def import_file(http: Http) -> Any:
        owner, data = identity_of(http).owner, await body_of(http)

        num = 0

        def clean(url: str) -> str:
            nonlocal num
            num += 1
            if num > MOST_PICTURES:
                raise GessoError(f"the file holds more than {MOST_PICTURES} pictures", where="body", fix="a smaller session")
            return services.decoder.clean_url(url, where="picture")

        def import_session() -> Any:
            imported = store.import_(owner, data, clean=clean)
            own = services.jobs.find_weights(owner, imported.recipe, imported.weights)
            if own is not None:
                services.user_weights.add(owner, own)
            return session_json(services, owner, imported.id)

        return JSONResponse(await asyncio.to_thread(import_session), 201)


def session_json(services: Services, owner: str, id: str) -> dict[str, Any]:
    """A session, its nodes, and the required conditions that its head lacks."""
    store = services.sessions
    session = store.session(owner, id)
    nodes = [one.model_dump(mode="json") for one in store.tree(owner, id)]
    return {"session": session.model_dump(mode="json"), "nodes": nodes, "missing": list(store.missing(owner, id))}


def pictures_in(value: Condition) -> dict[str, np.ndarray]:
    """The fields of a condition that hold pixels: uint8 or bool, [h w] or [h w c]."""
    held = {name: getattr(value, name) for name in type(value).model_fields}
    return {name: one for name, one in held.items() if isinstance(one, np.ndarray) and one.ndim in (2, 3) and one.dtype in (np.uint8, bool)}


def condition_json(value: Condition, address: str) -> dict[str, Any]:
    """A condition as JSON; each picture is given as its URL and size."""
    pictures = pictures_in(value)
    fields = value.model_dump(mode="json", exclude=set(pictures))
    for name, one in pictures.items():
        fields[name] = {"url": f"{address}?part={name}", "width": one.shape[1], "height": one.shape[0]}
    return fields


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
