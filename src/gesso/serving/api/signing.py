"""Content credentials over HTTP: the signing key, and response headers that describe the signature of a file."""

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
        return services.marker.status()


def file_answer(services: Services, owner: str, file: OutputFile, headers: dict[str, str]) -> Response:
    """The file as a response. `Gesso-Signed`: inside, beside (C2PA manifest at the address in `Link`), clean, or no with the reason."""
    if file.unsigned is not None:
        if file.unsigned != CLEAN:
            services.metrics.increment("outputs_unsigned")
        signed = {"Gesso-Signed": "clean" if file.unsigned == CLEAN else "no; " + header_text(file.unsigned)}
    elif file.beside is not None:
        item = services.files.put(owner, "output", file.beside, medium="manifest", suffix="c2pa")
        signed = {"Gesso-Signed": "beside", "Link": f'</api/outputs/{item.id}>; rel="c2pa-manifest"'}
    else:
        signed = {"Gesso-Signed": "inside"}
    return Response(file.data, media_type=file.kind, headers=headers | signed)


def is_cacheable(file: OutputFile) -> bool:
    """Whether a browser may cache it: not if signing failed, as a retry may succeed, and not if its manifest may be deleted."""
    return file.beside is None and file.unsigned in (None, CLEAN)


def header_text(text: str) -> str:
    """The text as printable ASCII, at most 200 characters, for a header."""
    return "".join(letter if 32 <= ord(letter) < 127 else " " for letter in text)[:200]
