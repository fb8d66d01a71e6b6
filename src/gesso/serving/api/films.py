"""Endpoints of films: uploaded to the disk as they come, looked at in the sandbox, and served in ranges, so that players can seek."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fastapi import Request as Http
from fastapi import Response
from fastapi.responses import FileResponse, JSONResponse

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full
from gesso.media.medium import content_type
from gesso.media.picture import encode_png
from gesso.serving.decode.film_probe import FilmProbe
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import PICTURE_BODY, Routes
from gesso.serving.http_errors import BodyTooLarge, TooManyRequests, UnknownId
from gesso.serving.services import Services

FILM = "film"
PIECE = 2**20  # bytes written at a time


def register(routes: Routes, services: Services) -> None:
    """Register the endpoints of films."""
    limits = services.settings.limits
    probe, sending = FilmProbe(limits), set[str]()

    @routes.http(
        "POST",
        "/api/films",
        who=TOKEN,
        max_body=limits.film_bytes,
        streamed=True,
        tags=["uploads"],
        summary="A film, as the body: what it is, its first frame as a picture's upload, and a few small frames",
        openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": PICTURE_BODY}}},
    )
    async def upload(http: Http) -> Any:
        owner = identity_of(http).owner
        if owner in sending:
            raise TooManyRequests("you are sending a film already", where=FILM, fix="one after the other", retry_after=5)
        sending.add(owner)
        path: Path | None = None
        try:
            await asyncio.to_thread(services.files.make_room, owner, "film", int(http.headers.get("content-length", "0")))
            path = services.files.incoming()
            await receive(http, path, limits.film_bytes)
            stored = await asyncio.to_thread(keep, services, probe, owner, path)
        finally:
            sending.discard(owner)
            if path is not None:
                path.unlink(missing_ok=True)
        return JSONResponse(stored, 201, {"Location": f"/api/films/{stored['id']}"})

    @routes.http("GET", "/api/films/{id}", who=TOKEN, tags=["uploads"], summary="An uploaded film, or the range that is asked for")
    def see(id: str, http: Http) -> Any:
        owner = identity_of(http).owner
        item, path = services.files.find(owner, "film", id), services.files.path(owner, "film", id)
        return ranged(path, item.content_type, f"gesso-{id}.{item.suffix}", "private, max-age=86400")

    @routes.http("DELETE", "/api/films/{id}", who=TOKEN, tags=["uploads"], summary="Delete an uploaded film; jobs that use it keep it")
    def drop(id: str, http: Http) -> Any:
        services.files.delete(identity_of(http).owner, "film", id)
        return Response(status_code=204)


def ranged(path: Path, kind: str, name: str, cache: str = "no-cache") -> Response:
    """A file, or the part of it that a Range header asks for; browsers save it when its address is opened, pages can play it."""
    if not path.is_file():
        raise UnknownId("there is no such file", where="id")
    return FileResponse(path, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": cache})


async def receive(http: Http, path: Path, most: int) -> None:
    """Write the body to `path` as it comes."""
    try:
        with open(path, "xb") as file:
            held, total = bytearray(), 0
            async for piece in http.stream():
                held += piece
                total += len(piece)
                if total > most:
                    raise BodyTooLarge("the film is too large", where="body", fix=f"at most {most / 1e9:.1f} GB")
                if len(held) >= PIECE:
                    await asyncio.to_thread(file.write, held)
                    held = bytearray()
            if not total:
                raise GessoError("the body is empty", where="body", fix="send the film's bytes")
            await asyncio.to_thread(_finish, file, held)
    except OSError as error:
        if is_full(error):
            raise DiskFull("the server cannot keep it: its disk is full", where="disk", fix="free some space there") from None
        raise


def _finish(file: BinaryIO, held: bytearray) -> None:
    file.write(held)
    file.flush()
    os.fsync(file.fileno())


def keep(services: Services, probe: FilmProbe, owner: str, path: Path) -> dict[str, Any]:
    """Look at a received film and store it with its first frame, which is a picture's upload; GessoError where it is no film."""
    from gesso.media.video_writer import formats_for

    seen = probe.look(path)
    (_, first), *small = seen.frames
    picture = services.files.put(owner, "upload", encode_png(np.ascontiguousarray(first), compress_level=3), size=first.shape[1::-1])
    try:
        item = services.files.adopt(owner, "film", path, medium="video", suffix=seen.suffix, size=(seen.width, seen.height))
    except BaseException:
        services.files.delete(owner, "upload", picture.id)
        raise
    strip = [{"seconds": seconds, "picture": _data_url(frame)} for seconds, frame in small]
    plays = content_type(f".{seen.suffix}")
    return {
        **item.to_json(),
        **seen.to_json(),
        "type": plays,
        "formats": formats_for(seen.sound),
        "first": picture.to_json(),
        "frames": strip,
    }


def _data_url(frame: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(np.ascontiguousarray(frame))).decode("ascii")
