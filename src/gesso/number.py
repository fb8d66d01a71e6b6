"""Parsing of numbers from the command line, Python, JSON and the socket: never rounded, never cut, and booleans are not numbers.

JSON does not distinguish 2 from 2.0, and JavaScript writes both the same way, so whole numbers are accepted in either form.
1.5 is refused where a whole number is required.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gesso.errors import GessoError, short_repr


class StrictNumbers(BaseModel):
    """A pydantic model that refuses booleans, NaN and infinity in number fields.

    It is the parent of recipes' settings, conditions, requests and all bodies that the server reads. pydantic itself refuses
    fractions for int fields.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, data: Any) -> Any:
        # One validator of the model, because fields of a discriminated union cannot have their own.
        if isinstance(data, Mapping):
            found = ((name, _find_boolean(data[name])) for name in _number_fields(cls) if name in data)
            wrong = [(name, boolean) for name, boolean in found if boolean is not None]
            if wrong:
                error = PydanticCustomError("no_number", "should be a number")
                details = [InitErrorDetails(type=error, loc=(name,), input=boolean) for name, boolean in wrong]
                raise ValidationError.from_exception_data(cls.__name__, details)
        return data


def whole(value: Any, *, where: object = None, low: int | None = None, high: int | None = None) -> int:
    """Return a whole number as an int. Accepts 2, 2.0 and numpy's; refuses 1.5, "2", true, NaN and infinity. GessoError names `where`."""
    number = _as_int(value)
    if number is None or (low is not None and number < low) or (high is not None and number > high):
        ends = "" if high is None else f" from {low} to {high}"
        ends = f" of at least {low}" if high is None and low is not None else ends
        raise GessoError(f"{short_repr(value)} is not a whole number{ends}", where=where)
    return number


def parse_whole(text: str) -> int:
    """Parse a whole number exactly from a text such as 7, -7, 2.0, 1e3 or 0x10; ValueError for any other text."""
    from decimal import Decimal, InvalidOperation

    plain = text.strip().lower()
    if plain.lstrip("+-")[:2] in ("0x", "0o", "0b"):
        return int(plain, 0)
    try:
        number = Decimal(plain)
    except InvalidOperation:
        raise ValueError(f"{text[:40]!r} is not a number") from None
    if not number.is_finite() or number.adjusted() > 40 or number != number.to_integral_value():
        raise ValueError(f"{text[:40]!r} is not a whole number")
    return int(number)


def _as_int(value: Any) -> int | None:
    """The value as an int; None if it is not exactly a whole number."""
    if _is_boolean(value):
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


def _require_whole(value: Any) -> int:
    number = _as_int(value)
    if number is None:
        raise ValueError(f"should be a whole number, not {short_repr(value)}")
    return number


Whole = Annotated[int, BeforeValidator(_require_whole)]  # for fields that also refuse numbers written as text


@lru_cache(maxsize=1024)
def _number_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the fields that accept numbers but no booleans."""
    kinds = {name: set(_leaves(info.annotation)) for name, info in model.model_fields.items()}
    return tuple(name for name, held in kinds.items() if held & {int, float} and bool not in held and Any not in held)


def _leaves(kind: Any) -> list[Any]:
    inner = get_args(kind)
    return [leaf for one in inner for leaf in _leaves(one)] if inner else [kind]


def _find_boolean(value: Any) -> bool | None:
    """The first boolean among nested values; None if there is no boolean."""
    if _is_boolean(value):
        return bool(value)
    if isinstance(value, (list, tuple)):
        return next((found for one in value if (found := _find_boolean(one)) is not None), None)
    if isinstance(value, Mapping):
        return _find_boolean(list(value.values()))
    return None


def _is_boolean(value: Any) -> bool:
    """Whether a value is Python's or numpy's bool, which is not a subclass of Python's; looked up so that numpy is not imported here."""
    if isinstance(value, bool):
        return True
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.bool_)
