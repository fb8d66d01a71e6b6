"""Whole numbers are parsed exactly or refused."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from pydantic import Field, ValidationError

from gesso.errors import GessoError, as_gesso_error
from gesso.number import StrictNumbers, Whole, parse_whole, whole


class Held(StrictNumbers):
    whole: Whole = Field(default=0, ge=0, le=9)
    maybe: int | None = None
    share: float = 0
    path: tuple[tuple[float, float], ...] = ()
    flag: bool = False
    either: bool | int = False


@pytest.mark.parametrize("given", [2, 2.0, np.int64(2), np.uint8(2), np.float32(2)])
def test_a_whole_number_may_be_written_as_a_float(given: Any):
    assert whole(given) == 2 and type(whole(given)) is int
    assert Held(whole=given, maybe=given).whole == 2


@pytest.mark.parametrize(
    "given", [1.5, -0.5, True, False, np.True_, "2", b"2", None, math.nan, math.inf, Fraction(3, 2), Decimal("1.5"), [2]]
)
def test_values_that_are_not_whole_numbers_are_refused(given: Any):
    with pytest.raises(GessoError, match="seed: .* is not a whole number"):
        whole(given, where="seed")
    with pytest.raises(ValidationError):
        Held(whole=given)


def test_the_error_names_the_bounds():
    with pytest.raises(GessoError, match="11 is not a whole number from 1 to 10"):
        whole(11, low=1, high=10)
    with pytest.raises(GessoError, match="0 is not a whole number of at least 1"):
        whole(0, low=1)


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("-7", -7), ("2.0", 2), ("1e3", 1000), ("0x10", 16), (" 3 ", 3), ("9" * 20, int("9" * 20))]
)
def test_texts_are_parsed_exactly(text: str, number: int):
    assert parse_whole(text) == number


@pytest.mark.parametrize("text", ["1.5", "", "x", "nan", "inf", "-inf", "1e999999999", "2.0000000000000000001", "true", "0xg", "1,5"])
def test_texts_that_are_not_whole_numbers_are_refused(text: str):
    with pytest.raises(ValueError):
        parse_whole(text)


@pytest.mark.parametrize(
    "given",
    [{"maybe": True}, {"share": False}, {"share": math.nan}, {"share": math.inf}, {"path": [[0, 1], [2, True]]}, {"maybe": np.True_}],
    ids=str,
)
def test_booleans_nan_and_infinity_are_refused_as_numbers(given: dict[str, Any]):
    with pytest.raises(ValidationError) as error:
        Held(**given)
    assert str(as_gesso_error(error.value)).startswith(f"{next(iter(given))}")


def test_booleans_are_accepted_in_boolean_fields():
    assert Held(flag=True, either=True).either is True
    assert Held(either=1).either == 1
