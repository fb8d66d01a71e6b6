"""The web page, drawn from the cards, and the server that serves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gesso.errors import MissingExtra

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gesso.serving.http.routes import Routes
    from gesso.serving.services import Services
    from gesso.serving.settings import Settings

PAGE = Path(__file__).parent / "page"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The server with the page at /, and the sample drawings at /samples."""
    from gesso.serving import create_app as create

    pages = {"": PAGE}
    folder = sample_folder()
    if folder is not None:
        pages["samples"] = folder
    return create(settings, pages=pages, extend=_extend)


def run(
    port: int = 8765,
    home: Path | None = None,
    *,
    jobs: Literal["here", "ray", "off"] = "here",
    weights: Mapping[str, str | Path] | None = None,
    device: str | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve the studio on 127.0.0.1 until Ctrl-C; `on_start` is given the link that lets a browser in. `jobs`: where they are done.

    `weights` {recipe: file or folder} replace the shipped ones. `device` is where networks run (None: what is there).
    """
    try:
        from gesso.serving.run import serve
    except ImportError as error:
        raise MissingExtra(error.name or "fastapi", "studio", purpose="the studio") from None
    from gesso.serving.settings import Settings

    more: dict[str, Any] = {} if home is None else {"home": home.expanduser()}
    settings = Settings(port=port, jobs=jobs, weights=weights or {}, device=device, **more)
    serve(settings, create=create_app, on_start=on_start)


def link(home: Path | None = None) -> str:
    """A link that opens once into the studio that runs in the folder `home`; GessoError where none does."""
    from gesso.serving.access.links import fresh_link
    from gesso.storage.home import data_home

    return fresh_link(data_home() if home is None else home.expanduser())


def sample_folder() -> Path | None:
    """Where the sample drawings are: in the installed package, or beside the source; None where neither is."""
    package = Path(__file__).parent.parent
    places = (package / "samples", package.parent.parent / "examples" / "drawings")
    return next((place for place in places if place.is_dir()), None)


def samples(folder: Path | None) -> list[dict[str, Any]]:
    """Each sample's id (its file's name) and title by language, in order of their names."""
    from gesso.media.file import read_json

    if folder is None:
        return []
    listed = []
    for path in sorted(folder.glob("*.png")):
        beside = path.with_suffix(".json")
        told = read_json(str(beside), 1 << 20) if beside.is_file() else {}
        title = told.get("title") if isinstance(told, dict) else None
        listed.append({"id": path.stem, "title": title or {"en": path.stem.replace("_", " ")}})
    return listed


def _extend(routes: Routes, services: Services) -> None:
    listed = samples(sample_folder())

    @routes.http("GET", "/api/samples", who="open", tags=["watch"], summary="Sample drawings; each is at /samples/{id}.png")
    def sample_drawings() -> Any:
        return {"samples": listed}

    _retitling(routes, services)


def _retitling(routes: Routes, services: Services) -> None:
    from fastapi import Request as Http  # resolved by name below: annotations are texts here
    from pydantic import BaseModel, ConfigDict, Field

    from gesso.serving.http.guard import identity_of
    from gesso.serving.http.routes import read_json

    class Title(BaseModel):
        """What a session is called."""

        model_config = ConfigDict(extra="forbid")
        title: str = Field(max_length=1000)

    async def retitle(http: Any) -> Any:
        owner, body = identity_of(http).owner, await read_json(http, Title)
        return services.sessions.retitle(owner, http.path_params["id"], body.title).model_dump(mode="json")

    retitle.__annotations__["http"] = Http
    routes.http("PATCH", "/api/sessions/{id}", who="token", max_body=65_536, reads=Title, tags=["sessions"], summary="Name a session")(
        retitle
    )
