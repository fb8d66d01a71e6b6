"""Numbers through every door: none is rounded, none is cut, and true and false are none.

JSON does not tell 2 from 2.0, and JavaScript writes both alike, so a whole number may be written either way; 1.5 is refused where
a whole number is wanted, through the command line, Python, JSON and the socket alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gesso.errors import GessoError, given_as


class Exact(BaseModel):
    """A model whose numbers are numbers: true and false are refused where a number is wanted, and so are NaN and infinity.

    Recipes' settings, conditions, requests and everything that the server reads are made of it; pydantic refuses fractions itself.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, data: Any) -> Any:
        # Not a validator of each field: a discriminated union's field may have none.
        if isinstance(data, Mapping):
            found = ((name, _truth_in(data[name])) for name in _number_fields(cls) if name in data)
            wrong = [(name, truth) for name, truth in found if truth is not None]
            if wrong:
                told = PydanticCustomError("no_number", "should be a number")
                details = [InitErrorDetails(type=told, loc=(name,), input=truth) for name, truth in wrong]
                raise ValidationError.from_exception_data(cls.__name__, details)
        return data


def whole(value: Any, *, where: object = None, low: int | None = None, high: int | None = None) -> int:
    """A whole number, as an int: 2, 2.0 and numpy's are; 1.5, "2", true, NaN and infinity are not. GessoError names `where`."""
    number = _as_int(value)
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        ends = "" if high is None else f" from {low} to {high}"
        ends = f" of at least {low}" if high is None and low is not None else ends
        raise GessoError(f"{given_as(value)} is no whole number{ends}", where=where)
    return number


def parse_whole(text: str) -> int:
    """The whole number that a text writes: 7, -7, 2.0, 1e3 or 0x10, exactly; ValueError for any other text."""
    from decimal import Decimal, InvalidOperation

    plain = text.strip().lower()
    if plain.lstrip("+-")[:2] in ("0x", "0o", "0b"):
        return int(plain, 0)
    try:
        number = Decimal(plain)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is no number") from None
    if not number.is_finite() or number.adjusted() > 40 or number != number.to_integral_value():
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(number)


def _as_int(value: Any) -> int | None:
    """The int that a value is; None where it is none, or not exactly one."""
    if _is_truth(value):
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, float) or type(value).__module__ == "numpy":
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return int(number) if math.isfinite(number) and number.is_integer() else None
    return None


def _whole_or_refused(value: Any) -> int:
    number = _as_int(value)
    if number is None:
        raise ValueError(f"should be a whole number, not {given_as(value)}")
    return number


Whole = Annotated[int, BeforeValidator(_whole_or_refused)]  # for fields that take no number written as text either


@lru_cache(maxsize=1024)
def _number_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that take numbers and neither true nor false."""
    kinds = {name: set(_leaves(info.annotation)) for name, info in model.model_fields.items()}
    return tuple(name for name, held in kinds.items() if held & {int, float} and bool not in held and Any not in held)


def _leaves(kind: Any) -> list[Any]:
    inner = get_args(kind)
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [kind]


def _truth_in(value: Any) -> bool | None:
    """The first true or false among nested values; None where there is none."""
    if _is_truth(value):
        return bool(value)
    if isinstance(value, (list, tuple)):
        return next((found for one in value if (found := _truth_in(one)) is not None), None)
    if isinstance(value, Mapping):
        return _truth_in(list(value.values()))
    return None


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")  # numpy's is no bool
