"""The parts of one server, which all endpoints share."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from gesso.marking.marker import Marker
from gesso.serving.access.authenticator import Authenticator
from gesso.serving.access.home_lock import HomeLock
from gesso.serving.catalogue.recipe_catalogue import Catalogue
from gesso.serving.database import ServerDatabase
from gesso.serving.decode.decoder import Decoder
from gesso.serving.decode.input_sanitizer import InputSanitizer
from gesso.serving.http.metrics import Metrics
from gesso.serving.jobs.service import JobService
from gesso.serving.render.renderer import Renderer
from gesso.serving.render.thumbnails import Thumbnails
from gesso.serving.render.warmup import Warmup
from gesso.serving.settings import Settings
from gesso.serving.storage.file_store import FileStore
from gesso.serving.storage.user_weights import UserWeights, UserWeightsStore
from gesso.steering.store import Store
from gesso.storage.home import SIGNING

if TYPE_CHECKING:
    from gesso.card import Card
    from gesso.request import Request

CPU_THREADS = 4
Value = TypeVar("Value")


class Services:
    """The parts of one server, constructed from its settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home_lock = HomeLock(settings.home, settings.address)
        self.database = ServerDatabase(settings.home / "serving.sqlite")
        self.access = Authenticator(settings, self.database, self.home_lock.links.token)
        self.metrics = Metrics()
        self.catalogue = Catalogue(settings)
        self.files = FileStore(settings.home / "kept", self.database, settings.limits)
        self.marker = Marker(settings.home / SIGNING, on=settings.sign)
        self.decoder = Decoder(settings.limits)
        self.sanitizer = InputSanitizer(self.catalogue, self.files, self.decoder, self.card_of_weights)
        self.sessions = Store(settings.home / "sessions.sqlite", cards=self.catalogue.card, own_card=self.card_of_weights)
        self.thumbnails = Thumbnails(settings.home / "thumbs.sqlite")
        self.user_weights = UserWeightsStore(settings.home / "learned")
        self.jobs = JobService(settings, self.catalogue, self.files, self.sanitizer, self.user_weights)
        self.sockets: Counter[str] = Counter()
        self.cpu_pool = ThreadPoolExecutor(CPU_THREADS, "cpu")
        self.renderer = Renderer(self.catalogue, settings.limits, self.metrics, self.user_weights_for)
        self.warmup = Warmup(self.catalogue, self.renderer)

    async def run_in_cpu_pool(self, work: Callable[..., Value], *values: Any, **more: Any) -> Value:
        """Run CPU-bound work in a small pool: the default pool has 64 threads, which would starve the event loop of the GIL."""
        return await asyncio.get_running_loop().run_in_executor(self.cpu_pool, partial(work, *values, **more))

    def user_weights_for(self, owner: str, request: Request) -> UserWeights | None:
        """The owner's own weights that the request names: kept for a session, or still in the folder of their training. Else None."""
        return self._own_weights(owner, request.recipe, request.weights)

    def card_of_weights(self, owner: str, recipe: str, weights: Mapping[str, str]) -> Card | None:
        """The card with what the owner's own weights know of their data; None where `weights` names none of theirs."""
        own = self._own_weights(owner, recipe, weights)
        return None if own is None else self.catalogue.own_card(recipe, own)

    def _own_weights(self, owner: str, recipe: str, weights: Mapping[str, str]) -> UserWeights | None:
        wanted = weights.get(recipe)
        if not wanted:
            return None
        return self.user_weights.find(owner, wanted) or self.jobs.find_weights(owner, recipe, weights)

    def own_weights(self, owner: str, recipe: str) -> list[dict[str, Any]]:
        """The owner's own weights of a recipe: what their jobs left, then what they sent."""
        trained = [one.to_json() for one in self.jobs.trained(owner, recipe)]
        known = {one["sha256"] for one in trained}
        return trained + [one.to_json() for one in self.user_weights.sent(owner, recipe) if one.sha256 not in known]

    def close(self) -> None:
        self.jobs.close()
        self.warmup.close()
        self.renderer.close()
        self.decoder.close()
        self.marker.close()
        self.cpu_pool.shutdown(wait=False, cancel_futures=True)
        self.sessions.close()
        self.thumbnails.close()
        self.database.close()
        self.home_lock.release()
