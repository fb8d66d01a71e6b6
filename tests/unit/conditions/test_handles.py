"""Handles: read from texts and JSON, bounded, encoded, simulated."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.card import Slot
from gesso.conditions.handles import Handles
from gesso.errors import GessoError
from gesso.ports import Frame

OPTIONS = {"num": 4, "reach": 3.0}


def test_it_reads_a_text_a_list_and_its_own_json():
    for given in ("2 0 -1.5", "2, 0, -1.5", [2, 0, -1.5], {"amounts": [2, 0, -1.5]}):
        assert Handles.read(given, where="handles", options=OPTIONS).amounts == (2.0, 0.0, -1.5)


@pytest.mark.parametrize("given", ["two", "1 2 3 4 5", "4", "nan", [float("inf")], {"amounts": [1], "more": 2}])
def test_what_is_no_amount_is_refused(given):
    with pytest.raises((GessoError, ValueError)):
        Handles.read(given, where="handles", options=OPTIONS)


def test_encoding_says_whether_any_are_given():
    ports = Handles.encode([Handles(amounts=(1.0, -2.0)), None], Frame(options=OPTIONS))
    assert ports.vector.tolist() == [[1.0, -2.0, 0.0, 0.0, 1.0], [0.0] * 5]


def test_a_simulated_user_stays_within_reach():
    slot = Slot(name="handles", kind=Handles, options=OPTIONS, title={"en": "", "ko": ""}, help={"en": "", "ko": ""})
    for seed in range(20):
        value, _ = Handles.simulate({"slot": slot}, np.random.default_rng(seed), 0.5)
        value.fit(OPTIONS, where="handles")
