"""Warm-up in the render thread: import torch, load the weights of a recipe, render one small picture."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gesso.errors import GessoError
from gesso.serving.catalogue.recipe_catalogue import Catalogue, pin_weights
from gesso.serving.render.renderer import Renderer

if TYPE_CHECKING:
    from gesso.recipes.recipe import Recipe

LATEST = 2.0  # seconds after the start, unless a page requests cards before
AFTER_CARDS = 0.3  # seconds after a page requested a card: imports before would delay its pictures
SIDE = 64  # pixels of the drawing that is rendered

log = logging.getLogger("gesso.serving")


class Warmup:
    """Runs once, between `start` and `close`."""

    def __init__(self, catalogue: Catalogue, renderer: Renderer) -> None:
        self._catalogue, self._renderer = catalogue, renderer
        self._lock, self._open = threading.Lock(), False
        self._timer: threading.Timer | None = None
        self.done = threading.Event()

    def start(self) -> None:
        with self._lock:
            self._open = True
        self.schedule(LATEST)

    def schedule(self, seconds: float = AFTER_CARDS) -> None:
        """Warm up so many seconds after the last call."""
        with self._lock:
            if not self._open:
                return
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(seconds, self._queue)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        with self._lock:
            self._open = False
            if self._timer is not None:
                self._timer.cancel()

    def _queue(self) -> None:
        with self._lock:
            if not self._open:
                return
            self._open = False
        try:  # the catalogue imports recipes, and torch with them, under a lock
            self._catalogue.recipes()
            self._renderer.submit("", "warm", self.work)
        except GessoError as error:  # the queue is full, so the renderer is busy already
            log.info("not warmed: %s", error)
            self.done.set()

    def work(self, stopped: Callable[[], bool]) -> None:
        """Runs in the render thread. Requests that wait for it would have to load the same things."""
        try:
            recipe = next(filter(self._drawn_with, self._catalogue.recipes().values()), None)
            if recipe is not None and not stopped():
                assembled = self._catalogue.assembled(recipe.name)
                if not stopped() and not self._renderer.num_waiting():
                    from gesso.request import Request
                    from gesso.verbs.generate import make

                    needed = {slot.name: drawing() for slot in recipe.card.conditions if slot.required}
                    make(assembled, pin_weights(assembled, Request.build(recipe.card, needed)), stop=stopped)
        except GessoError as error:  # a request for a picture will report it
            log.info("not warmed: %s", error)
        finally:
            self.done.set()

    def _drawn_with(self, recipe: Recipe) -> bool:
        """Whether the page can start with this recipe, and it has weights to load."""
        tools = [slot.control().get("tool") for slot in recipe.card.conditions if slot.required]
        return bool(recipe.keeps) and tools == ["page"] and not self._catalogue.missing_weights(recipe.name)


def drawing() -> np.ndarray:
    """A drawing of a square: uint8 [64 64]."""
    page = np.full((SIDE, SIDE), 255, np.uint8)
    page[12:52, 12:52] = 0
    page[14:50, 14:50] = 255
    return page
