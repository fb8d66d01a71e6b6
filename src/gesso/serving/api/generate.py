"""Endpoints of recipes, uploads, generation and outputs, and of the server's health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import Query, Response
from fastapi import Request as Http
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from gesso.errors import GessoError, Stopped
from gesso.number import StrictNumbers, Whole
from gesso.request import MAX_SEED
from gesso.serving.api.signing import file_answer, header_text
from gesso.serving.decode.midi_upload import is_midi
from gesso.serving.http.guard import OPEN, TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes, body_of, read_json
from gesso.serving.http_errors import BodyTooLarge
from gesso.serving.jobs.schemas import names_of_data
from gesso.serving.render.outputs import accepted_file, output_file, store_outputs
from gesso.serving.render.renderer import RenderJob, RenderTicket
from gesso.serving.services import Services

if TYPE_CHECKING:
    from gesso.request import Request
    from gesso.verbs.best import Ranked

MOST_OF_ONE = 16  # outputs of one request with different seeds, of which the best is chosen
CHECK_CLIENT_SECONDS = 0.25  # between two checks whether the client is still connected


class GenerateRequest(StrictNumbers):
    """A request in the format of records. A condition's picture may be {"upload": id} from POST /api/uploads.

    With `best` above 1 so many are made, of seeds from `seed` on, and the one that fits the words best is the answer.
    """

    model_config = ConfigDict(extra="forbid")

    recipe: str
    conditions: dict[str, Any] = Field(default_factory=dict, max_length=100)
    seed: Whole = Field(default=0, ge=0, le=MAX_SEED)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=100)
    preset: str = Field(default="", max_length=100)
    weights: dict[str, str] = Field(default_factory=dict, max_length=100)
    best: Whole = Field(default=1, ge=1, le=MOST_OF_ONE)


def register(routes: Routes, services: Services) -> None:
    """Register the endpoints of recipes, uploads, generation, outputs, health and metrics."""
    limits = services.settings.limits

    @routes.http("GET", "/api/recipes", who=TOKEN, tags=["recipes"], summary="All recipes")
    def recipes() -> Any:
        return {"recipes": services.catalogue.summaries()}

    @routes.http("GET", "/api/recipes/{name}", who=TOKEN, tags=["recipes"], summary="A recipe's card, and your own weights of it")
    def recipe(name: str, http: Http, weights: str = Query(default="", max_length=64)) -> Any:
        """`weights` is the sha256 of weights of yours, which may know other data: the conditions have their options then."""
        owner = identity_of(http).owner
        card = services.catalogue.describe(name, services.card_of_weights(owner, name, {name: weights}) if weights else None)
        services.warmup.schedule()
        return card | {
            "trained": services.own_weights(owner, name),
            "folders": names_of_data(tuple(card["fits_data"] or card.get("trains_data", ()))),
        }

    @routes.http(
        "POST",
        "/api/uploads",
        who=TOKEN,
        max_body=limits.picture.max_bytes + 65_536,
        tags=["uploads"],
        summary="A picture or a MIDI file, as the body or as a form's file",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/octet-stream": PICTURE_BODY,
                    "multipart/form-data": {"schema": {"type": "object", "properties": {"file": PICTURE_BODY["schema"]}}},
                },
            }
        },
    )
    async def upload(http: Http) -> Any:
        owner = identity_of(http).owner
        data = await upload_body(http, services)
        music = is_midi(data, http.headers.get("content-type", ""))

        def store() -> Any:
            if music:
                midi, about = services.decoder.music(data)
                return services.files.put(owner, "upload", midi, medium="notes", suffix="mid").to_json() | about
            decoded = services.decoder.clean(data)
            return services.files.put(owner, "upload", decoded.png, size=(decoded.width, decoded.height)).to_json()

        stored = await asyncio.to_thread(store)
        return JSONResponse(stored, 201, {"Location": f"/api/uploads/{stored['id']}"})

    @routes.http("GET", "/api/uploads/{id}", who=TOKEN, tags=["uploads"], summary="An upload, encoded anew as PNG or MIDI")
    def see_upload(id: str, http: Http) -> Any:
        return file_response(services, identity_of(http).owner, "upload", id)

    @routes.http("DELETE", "/api/uploads/{id}", who=TOKEN, tags=["uploads"], summary="Delete an upload")
    def drop_upload(id: str, http: Http) -> Any:
        services.files.delete(identity_of(http).owner, "upload", id)
        return Response(status_code=204)

    @routes.http(
        "POST",
        "/api/generate",
        who=TOKEN,
        max_body=limits.json_bytes,
        reads=GenerateRequest,
        tags=["make"],
        summary="Make what a request asks for",
    )
    async def generate(http: Http) -> Any:
        owner = identity_of(http).owner
        with services.renderer.reserve(owner) as queue:
            body = await read_json(http, GenerateRequest)
            request = await services.run_in_cpu_pool(services.sanitizer.sanitize_request, owner, body.model_dump(exclude={"best"}))
            card = services.catalogue.card(body.recipe)
            wanted = accepted_file(card, http.headers.get("accept", ""))
            if body.best > 1:
                from gesso.verbs.best import with_seeds

                ranked = await rank_results(http, services, queue, owner, lambda: with_seeds(request, body.best))
                result, fits = ranked[0].result, {"fits": fits_of(ranked)}
            else:
                result, fits = await wait_for_result(http, services, queue(("http", owner), RenderJob(owner, request, ("http", owner)))), {}
            if wanted is not None:
                name, format = wanted
                file = await services.run_in_cpu_pool(output_file, services.marker, result, name, format)
                return file_answer(services, owner, file, download(f"gesso.{format}") | notes_header(result))
            outputs = await services.run_in_cpu_pool(store_outputs, services.files, owner, result, services.marker)
            return {"outputs": outputs, "notes": result.note_texts, "record": result.record.to_json(), **fits}

    @routes.http("GET", "/api/outputs/{id}", who=TOKEN, tags=["make"], summary="Something that was made, with its record inside")
    def see_output(id: str, http: Http) -> Any:
        return file_response(services, identity_of(http).owner, "output", id)

    @routes.http("GET", "/api/health", who=OPEN, tags=["watch"], summary="Whether the server is alive")
    def health() -> Any:
        return {"status": "ok", "signing": services.marker.state}

    @routes.http("GET", "/api/metrics", who=TOKEN, tags=["watch"], summary="Counters, as Prometheus reads them")
    def metrics() -> Any:
        return Response(services.metrics.exposition(), media_type="text/plain; version=0.0.4")


async def upload_body(http: Http, services: Services) -> bytes:
    """The bytes of a raw body, or of the only file in a multipart form."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await body_of(http)
    async with form_of(http) as form:
        files = [one for _, one in form.multi_items() if not isinstance(one, str)]
        if len(files) != 1:
            raise GessoError(f"the form holds {len(files)} files", where="body", fix="one picture at a time")
        if (files[0].size or 0) > services.settings.limits.picture.max_bytes:
            raise BodyTooLarge("the file is too large", where="body")
        return await files[0].read()


def form_of(http: Http, max_files: int = 1) -> Any:
    """A multipart form with limited parts, to be entered with `async with`."""
    return http.form(max_files=max_files, max_fields=30, max_part_size=2**16)


async def wait_for_result(http: Http, services: Services, ticket: RenderTicket) -> Any:
    """Wait for the ticket's result; cancel the work when the client disconnects."""
    future = asyncio.wrap_future(ticket.future)
    try:
        while True:
            done, _ = await asyncio.wait({future}, timeout=CHECK_CLIENT_SECONDS)
            if done and not future.cancelled():
                return future.result()
            if done or await http.is_disconnected():
                raise Stopped
    except Stopped:
        services.metrics.increment("clients_gone")
        raise GessoError("the client has disconnected") from None
    finally:
        future.cancel()  # its result is not read from here on
        ticket.stop()


async def rank_results(
    http: Http, services: Services, queue: Callable[[Hashable, RenderJob], RenderTicket], owner: str, requests: Callable[[], list[Request]]
) -> list[Ranked]:
    """The results of requests with other seeds, the one that fits its words best first; each is separate work, and so is each look."""
    from gesso.verbs.best import JUDGE, best_first, fit_of, judging, picture_of, text_of

    async def made(one: Request, memory: str) -> Any:
        return await wait_for_result(http, services, queue(("http", owner), RenderJob(owner, one, (memory, owner))))

    several = requests()
    text = text_of(services.catalogue.card(several[0].recipe), several[0])
    judge = services.catalogue.card(JUDGE)
    results = [await made(one, "http") for one in several]
    fits = []
    for result in results:
        asked = await services.run_in_cpu_pool(judging, judge, text, picture_of(result))
        fits.append(fit_of(await made(asked, JUDGE)))
    return best_first(results, fits)


def fits_of(ranked: Sequence[Ranked]) -> list[dict[str, Any]]:
    """Seeds and how well each fits, best first, as JSON."""
    return [{"seed": one.seed, "fit": one.fit} for one in ranked]


def file_response(services: Services, owner: str, kind: Any, id: str) -> Response:
    item, data = services.files.read(owner, kind, id)
    return Response(
        data, media_type=item.content_type, headers=download(f"gesso-{id}.{item.suffix}") | {"Cache-Control": "private, max-age=86400"}
    )


def notes_header(result: Any) -> dict[str, str]:
    """A header with the names of the result's notes, for clients that receive only a file."""
    return {"Gesso-Notes": header_text(", ".join(result.notes))} if result.notes else {}


def download(name: str) -> dict[str, str]:
    """A header that makes browsers save the file when its address is opened; pages can still embed it."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
