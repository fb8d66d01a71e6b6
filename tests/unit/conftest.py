"""For unit tests: two recipes outside the package, a picture, and the command line called in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

RECIPES = Path(__file__).parent / "verbs"


class Said(NamedTuple):
    """What a command line came to."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def toy() -> Path:
    """A recipe without weights: `photo` and `tags` become `image` and `mean`; it can be fitted."""
    return RECIPES / "toy.py"


@pytest.fixture(scope="session")
def kept() -> Path:
    """A recipe that keeps weights: `number` becomes `image`."""
    return RECIPES / "kept.py"


@pytest.fixture(scope="session")
def kept_weights(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_kept(kept, tmp_path_factory.mktemp("kept") / "weights.safetensors", seed=1)


@pytest.fixture(scope="session")
def other_weights(kept: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_kept(kept, tmp_path_factory.mktemp("other") / "weights.safetensors", seed=2)


def save_kept(kept: Path, path: Path, *, seed: int = 0, preset: str = "small", card: dict[str, Any] | None = None) -> Path:
    import torch

    from gesso import recipes
    from gesso.weights.store import save_weights

    recipe = recipes.find(kept)
    torch.manual_seed(seed)
    painter = recipe.build(recipe.preset(preset))["painter"]
    save_weights(path, {"painter": painter.state_dict()}, {"recipe": "kept", "preset": preset} if card is None else card)
    return path


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    """save(recipe, path, seed=, preset=, card=): weights of the recipe `kept`, written."""
    return save_kept


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)


@pytest.fixture
def photo(tmp_path: Path, pixels: np.ndarray) -> Path:
    from PIL import Image

    path = tmp_path / "in" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def gesso(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """One command line, run in this process."""
    from gesso.cli import main

    def run(*words: object) -> Said:
        capfd.readouterr()
        code = main([str(word) for word in words])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def refused(gesso: Callable[..., Said]) -> Callable[..., str]:
    """A command line that must end with 2 and one clear line, no traceback; returns that line."""

    def run(*words: object) -> str:
        code, out, err = gesso(*words)
        assert code == 2, (out, err)
        assert err.startswith("gesso: ") and err.count("\n") == 1, err
        assert "Traceback" not in err + out and "is a bug" not in err, err
        return err

    return run
