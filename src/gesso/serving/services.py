"""All that routes share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gesso.marking.home import SIGNING
from gesso.marking.marker import Marker
from gesso.serving.access.logins import Access
from gesso.serving.catalogue.recipe_catalogue import Catalogue
from gesso.serving.access.home_lock import Claim
from gesso.serving.http.metrics import Counts
from gesso.serving.database import Database
from gesso.serving.decode.decoder import Decoder
from gesso.serving.decode.input_sanitizer import Given
from gesso.serving.jobs.service import Desk
from gesso.serving.storage.file_store import Keep
from gesso.serving.storage.user_weights import Learned, Own
from gesso.serving.render.renderer import Renderer, within
from gesso.serving.settings import Settings
from gesso.serving.render.thumbnails import Thumbs
from gesso.serving.render.warmup import Warmth
from gesso.steering.store import Store

if TYPE_CHECKING:
    from gesso.request import Request

RENDER_SECONDS = 600.0
THINKING = 4
Made = TypeVar("Made")


class Room:
    """One server's parts, made from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.claim = Claim(settings.home, settings.address)
        self.database = Database(settings.home / "serving.sqlite")
        self.access = Access(settings, self.database, self.claim.links.token)
        self.counts = Counts()
        self.catalogue = Catalogue(settings)
        self.keep = Keep(settings.home / "kept", self.database, settings.limits)
        self.marker = Marker(settings.home / SIGNING, on=settings.sign)
        self.decoder = Decoder(settings.limits)
        self.given = Given(self.catalogue, self.keep, self.decoder)
        self.sessions = Store(settings.home / "sessions.sqlite", cards=self.catalogue.card)
        self.thumbs = Thumbs(settings.home / "thumbs.sqlite")
        self.learned = Learned(settings.home / "learned")
        self.jobs = Desk(settings, self.catalogue, self.keep, self.given)
        self.sockets: Counter[str] = Counter()
        self.thinking = ThreadPoolExecutor(THINKING, "think")
        self.renderer = Renderer(self.catalogue, settings.limits, self.counts)
        self.warmth = Warmth(self.catalogue, self.renderer)

    async def think(self, work: Callable[..., Made], *given: Any, **more: Any) -> Made:
        """What costs the processor, in one of few threads: sixty-four at once would keep the one that answers from its turn."""
        return await asyncio.get_running_loop().run_in_executor(self.thinking, partial(work, *given, **more))

    def work(
        self,
        owner: str,
        request: Request,
        memory: Hashable,
        on_output: Callable[[Any], None] | None = None,
        on_draft: Callable[[Any], None] | None = None,
    ) -> Callable[[Callable[[], bool]], Any]:
        """A piece of work for the renderer, with the server's weights or with those of a training of the owner's."""

        def make(stopped: Callable[[], bool]) -> Any:
            return self.renderer.make(
                request, memory, within(RENDER_SECONDS, stopped), on_output, on_draft, self.own_weights(owner, request)
            )

        return make

    def own_weights(self, owner: str, request: Request) -> Own | None:
        """Those that a request's weights name, if they are the owner's: kept for a session, or still with their training."""
        wanted = request.weights.get(request.recipe)
        if not wanted:
            return None
        return self.learned.find(owner, wanted) or self.jobs.weights_meant(owner, request.recipe, request.weights)

    def close(self) -> None:
        self.jobs.close()
        self.warmth.close()
        self.renderer.close()
        self.decoder.close()
        self.marker.close()
        self.thinking.shutdown(wait=False, cancel_futures=True)
        self.sessions.close()
        self.thumbs.close()
        self.database.close()
        self.claim.drop()
