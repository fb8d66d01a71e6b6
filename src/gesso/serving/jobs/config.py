"""What a worker needs to know of its server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.serving.settings import Limits

if TYPE_CHECKING:
    from gesso.marking.marker import Marker
    from gesso.recipes.recipe import Recipe


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker must know of its server: where jobs lie, which recipes and weights are meant, how many threads are its own."""

    home: str
    recipes: list[str] | None = None
    weights: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    sign: bool = True
    most_bytes: int = Limits.job_bytes

    def marker(self) -> Marker:
        """A line to a signer of this worker's own, to be closed."""
        from gesso.marking.home import SIGNING
        from gesso.marking.marker import Marker

        return Marker(Path(self.home) / SIGNING, on=self.sign)

    def recipe(self, name: str) -> Recipe:
        from gesso import recipes

        if self.recipes is None:
            return recipes.find(name)
        return next(found for found in map(recipes.find, self.recipes) if found.name == name)

    def folder(self, id: str) -> Path:
        """Where a job's files are: `in`, `out`, `log.txt`. The id is one that the store gave."""
        return Path(self.home) / "jobs" / id

    def weights_of(self, spec: dict[str, Any]) -> Path | str | None:
        """Those that a training made, those that the server was told of, or the shipped ones."""
        if spec.get("weights"):
            return self.folder(spec["weights"]) / "out" / "weights.safetensors"
        return self.weights.get(spec["recipe"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
