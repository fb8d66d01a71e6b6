"""The print resolution of pictures (DPI): reading it from files, and its conversion."""

from __future__ import annotations

import math
from typing import Any

Dpi = tuple[float, float]  # across and down
METRES_AN_INCH = 0.0254
MIN_DPI, MAX_DPI = 2.0, 30000.0  # TIFFs without a resolution say 1


def kept_dpi(value: Any) -> Dpi | None:
    """A pair of numbers from 2 to 30,000 as floats; None for other values, because files may contain zeros, invalid fractions or texts."""
    try:
        across, down = (float(one) for one in value)
    except (TypeError, ValueError, ArithmeticError, OverflowError):
        return None
    return (_tidy(across), _tidy(down)) if all(math.isfinite(one) and MIN_DPI <= one <= MAX_DPI for one in (across, down)) else None


def to_metres(dpi: Dpi) -> tuple[int, int]:
    """Convert DPI to whole pixels per metre, as PNG stores it."""
    return round(dpi[0] / METRES_AN_INCH), round(dpi[1] / METRES_AN_INCH)


def from_metres(across: int, down: int) -> Dpi | None:
    return kept_dpi((across * METRES_AN_INCH, down * METRES_AN_INCH))


def _tidy(value: float) -> float:
    """Round 299.9994, which whole pixels per metre give, to 300; else to two decimals."""
    whole = round(value)
    return float(whole) if abs(value - whole) <= METRES_AN_INCH / 2 else round(value, 2)
