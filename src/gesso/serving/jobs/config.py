"""What a worker process needs to know of its server."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gesso.serving.settings import Limits

if TYPE_CHECKING:
    from gesso.marking.marker import Marker
    from gesso.recipes.recipe import Recipe

OWN_WEIGHTS = "weights.safetensors"  # in the folder of a job that was given weights by their hash


@dataclass(frozen=True)
class WorkerConfig:
    """Passed to workers as JSON: the home folder, the recipes and weights to use, the number of threads, the owner's quota in bytes."""

    home: str
    recipes: list[str] | None = None
    weights: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    sign: bool = True
    most_bytes: int = Limits.job_bytes

    def marker(self) -> Marker:
        """A signer of this worker's own; the caller closes it."""
        from gesso.marking.marker import Marker
        from gesso.storage.home import SIGNING

        return Marker(Path(self.home) / SIGNING, on=self.sign)

    def recipe(self, name: str) -> Recipe:
        from gesso import recipes

        if self.recipes is None:
            return recipes.find(name)
        return next(found for found in map(recipes.find, self.recipes) if found.name == name)

    def folder(self, id: str) -> Path:
        """The folder of a job: `in`, `out`, `log.txt`, and weights that it was given. The id must come from the store."""
        return Path(self.home) / "jobs" / id

    def weights_of(self, spec: dict[str, Any]) -> Path | str | None:
        """The weights that the job was given, of the training that it names, or of the server's settings; None: the shipped ones."""
        if spec.get("own_weights"):
            return self.folder(spec["own_weights"]) / OWN_WEIGHTS
        if spec.get("weights"):
            return self.folder(spec["weights"]) / "out" / "weights.safetensors"
        return self.weights.get(spec["recipe"])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
