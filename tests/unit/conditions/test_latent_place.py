"""A latent keeps its numbers to the bit, is read from what a fit wrote, and refuses what is no latent."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from gesso.card import Slot
from gesso.conditions.latent_place import LatentPlace
from gesso.errors import GessoError
from gesso.ports import Frame

SLOT = Slot(name="place", kind=LatentPlace, options={"finds": "picture"})
ROWS = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)


def test_json_keeps_every_bit():
    value = LatentPlace.of(ROWS)
    again = SLOT.from_json(json.loads(value.model_dump_json()))
    assert again == value and np.array_equal(np.array(again.rows, np.float32), ROWS)


def test_it_is_read_from_a_file_of_its_own_and_from_a_request(tmp_path: Path):
    value = LatentPlace.of(ROWS)
    own, request, other = (tmp_path / f"{name}.json" for name in ("own", "request", "other"))
    own.write_text(value.model_dump_json())
    request.write_text(json.dumps({"conditions": {"place": json.loads(value.model_dump_json())}}))
    other.write_text(json.dumps({"conditions": {}}))
    assert SLOT.read(str(own)) == SLOT.read(request) == SLOT.read(ROWS.tolist()) == value
    with pytest.raises(GessoError, match="no place"):
        SLOT.read(str(other))


@pytest.mark.parametrize(
    "wrong", [[], [[]], [[1.0], [1.0, 2.0]], [[float("nan")]], [[1e9]], [[0.0] * 70_000], {"rows": "abc"}, 3, None, "absent.json"]
)
def test_what_is_no_latent_is_refused(wrong: object):
    with pytest.raises(GessoError, match="place|absent"):
        SLOT.read(wrong)
    if isinstance(wrong, list):
        with pytest.raises(ValidationError):
            LatentPlace(rows=wrong)  # type: ignore[arg-type]


def test_it_is_encoded_as_tokens_and_mixed_shapes_are_refused():
    ports = LatentPlace.encode([LatentPlace.of(ROWS), None], Frame())
    assert ports.tokens is not None and ports.tokens.values.shape == (2, 5, 8)
    assert ports.tokens.mask.tolist() == [[True] * 5, [False] * 5]
    assert LatentPlace.encode([None], Frame()).tokens is None
    with pytest.raises(GessoError, match="different models"):
        LatentPlace.encode([LatentPlace.of(ROWS), LatentPlace.of(ROWS[:2])], Frame())
