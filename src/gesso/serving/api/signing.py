"""Content credentials over HTTP: whose key signs here, and each file with what is to be known of its signature."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from gesso.serving.http.guard import TOKEN
from gesso.serving.http.routes import Routes
from gesso.serving.render.outputs import CLEAN, OutputFile
from gesso.serving.services import Services


def register(routes: Routes, services: Services) -> None:
    @routes.http("GET", "/api/signing", who=TOKEN, tags=["watch"], summary="Whether outputs are signed, and by which key")
    def signing() -> Any:
        """{"signs", "why", "trusted": false}, and of the key its "fingerprint", "since" (a day) and "chain" (PEM: leaf, then root)."""
        return services.marker.told()


def file_answer(services: Services, owner: str, file: OutputFile, headers: dict[str, str]) -> Response:
    """The file. `Gesso-Signed` says how: inside, beside (its manifest is where `Link` says, as C2PA asks), clean, or no and why."""
    if file.unsigned is not None:
        if file.unsigned != CLEAN:
            services.metrics.increment("outputs_unsigned")
        said = {"Gesso-Signed": "clean" if file.unsigned == CLEAN else "no; " + header_text(file.unsigned)}
    elif file.beside is not None:
        item = services.files.put(owner, "output", file.beside, medium="manifest", suffix="c2pa")
        said = {"Gesso-Signed": "beside", "Link": f'</api/outputs/{item.id}>; rel="c2pa-manifest"'}
    else:
        said = {"Gesso-Signed": "inside"}
    return Response(file.data, media_type=file.kind, headers=headers | said)


def is_cacheable(file: OutputFile) -> bool:
    """Whether a browser may keep it: where the signer failed the next may be signed, and a manifest beside is not kept for ever."""
    return file.beside is None and file.unsigned in (None, CLEAN)


def header_text(text: str) -> str:
    """What a header can carry."""
    return "".join(letter if 32 <= ord(letter) < 127 else " " for letter in text)[:200]
