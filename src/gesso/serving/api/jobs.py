"""Endpoints of jobs: submit, follow, cancel, resume, and download what they made."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Query, Response
from fastapi import Request as Http
from fastapi.responses import JSONResponse, StreamingResponse

from gesso.media.file import read_bytes
from gesso.serving.api.films import ranged
from gesso.serving.api.generate import download
from gesso.serving.http.guard import TOKEN, identity_of
from gesso.serving.http.routes import Routes, read_json
from gesso.serving.jobs.schemas import JobSpec, unknown
from gesso.serving.services import Services


def register(routes: Routes, services: Services) -> None:
    _register_jobs(routes, services)
    _register_progress(routes, services)
    _register_outputs(routes, services)


def _register_jobs(routes: Routes, services: Services) -> None:
    service, limits = services.jobs, services.settings.limits

    @routes.http("POST", "/api/jobs", who=TOKEN, max_body=limits.json_bytes, reads=JobSpec, tags=["jobs"], summary="Submit a job")
    async def submit(http: Http) -> Any:
        owner, spec = identity_of(http).owner, await read_json(http, JobSpec)
        job, new = await asyncio.to_thread(service.submit, owner, spec.root)
        return JSONResponse(job.to_json(service.store.clock()), 201 if new else 200, {"Location": f"/api/jobs/{job.id}"})

    @routes.http("GET", "/api/jobs", who=TOKEN, tags=["jobs"], summary="Your jobs, the latest first")
    def jobs(http: Http) -> Any:
        now = service.store.clock()
        return {"jobs": [job.to_json(now) for job in service.store.list(identity_of(http).owner)]}

    @routes.http("GET", "/api/jobs/{id}", who=TOKEN, tags=["jobs"], summary="A job: its progress, and what was submitted")
    def job(id: str, http: Http) -> Any:
        return service.describe(identity_of(http).owner, id)

    @routes.http("DELETE", "/api/jobs/{id}", who=TOKEN, tags=["jobs"], summary="Delete an ended job and its outputs")
    def drop(id: str, http: Http) -> Any:
        service.delete(identity_of(http).owner, id)
        return Response(status_code=204)

    @routes.http("POST", "/api/jobs/{id}/cancel", who=TOKEN, tags=["jobs"], summary="Stop a job within a step; its outputs stay")
    def cancel(id: str, http: Http) -> Any:
        changed = service.store.cancel(identity_of(http).owner, id).to_json(service.store.clock())
        service.wake()
        return changed

    @routes.http("POST", "/api/jobs/{id}/resume", who=TOKEN, tags=["jobs"], summary="Resume a job, or the failed part of it")
    def resume(id: str, http: Http) -> Any:
        changed = service.store.resume(identity_of(http).owner, id).to_json(service.store.clock())
        service.wake()
        return changed


def _register_progress(routes: Routes, services: Services) -> None:
    service = services.jobs

    @routes.http("GET", "/api/jobs/{id}/log", who=TOKEN, tags=["jobs"], summary="Its log, from a line on")
    def lines(id: str, http: Http, after: int = Query(default=0, ge=0)) -> Any:
        return service.log_lines(identity_of(http).owner, id, after)

    @routes.http("GET", "/api/jobs/{id}/curve", who=TOKEN, tags=["jobs"], summary="Losses or objective over the steps")
    def curve(id: str, http: Http) -> Any:
        return {"curve": service.curve(identity_of(http).owner, id)}

    @routes.http("GET", "/api/jobs/{id}/samples", who=TOKEN, tags=["jobs"], summary="Pictures that show its progress")
    def samples(id: str, http: Http) -> Any:
        found = service.samples(identity_of(http).owner, id)
        return {"samples": [{"id": key, "name": name} for key, (name, _) in found.items()]}

    @routes.http("GET", "/api/jobs/{id}/samples/{sample}", who=TOKEN, tags=["jobs"], summary="One of these pictures, as PNG")
    def sample(id: str, sample: str, http: Http) -> Any:
        found = service.samples(identity_of(http).owner, id).get(sample)
        if found is None:
            raise unknown("sample")
        return Response(read_bytes(found[1], where="sample"), media_type="image/png", headers=download(f"sample-{sample}.png"))


def _register_outputs(routes: Routes, services: Services) -> None:
    service = services.jobs

    @routes.http("GET", "/api/jobs/{id}/outputs", who=TOKEN, tags=["jobs"], summary="Its outputs; of a batch, also what failed and why")
    def outputs(id: str, http: Http) -> Any:
        owner = identity_of(http).owner
        sheets = [key for key in service.files(owner, id) if key.startswith("sheet")]
        return {"outputs": service.items(owner, id), "sheets": sheets}

    @routes.http(
        "GET",
        "/api/jobs/{id}/outputs/{output}",
        who=TOKEN,
        tags=["jobs"],
        summary="One of its outputs, a contact sheet, or the source of a film",
    )
    def output(id: str, output: str, http: Http) -> Any:
        owner = identity_of(http).owner
        found = service.source(owner, id) if output == "source" else service.files(owner, id).get(output)
        if found is None:
            raise unknown("output")
        plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in " ._-") else "_" for letter in found.name)
        return ranged(found.path, found.content_type, plain)

    @routes.http("GET", "/api/jobs/{id}/zip", who=TOKEN, tags=["jobs"], summary="All its outputs, as one zip")
    def zip_stream(id: str, http: Http) -> Any:
        owner = identity_of(http).owner
        service.store.get(owner, id)
        return StreamingResponse(service.zip_stream(owner, id), media_type="application/zip", headers=download("gesso-job.zip"))
