"""How many pixels a print has to the inch (DPI), as files say it and as it is kept."""

from __future__ import annotations

import math
from typing import Any

Dpi = tuple[float, float]  # across and down
METRES_AN_INCH = 0.0254
LEAST, MOST = 2.0, 30000.0  # a TIFF that was never asked says 1


def kept_dpi(value: Any) -> Dpi | None:
    """A pair of numbers from 2 to 30,000 as floats; None of anything else, since files claim zeros, fractions over zero and texts."""
    try:
        across, down = (float(one) for one in value)
    except (TypeError, ValueError, ArithmeticError, OverflowError):
        return None
    return (_tidy(across), _tidy(down)) if all(math.isfinite(one) and LEAST <= one <= MOST for one in (across, down)) else None


def to_metres(dpi: Dpi) -> tuple[int, int]:
    """Pixels a metre, whole, as PNG holds them."""
    return round(dpi[0] / METRES_AN_INCH), round(dpi[1] / METRES_AN_INCH)


def from_metres(across: int, down: int) -> Dpi | None:
    return kept_dpi((across * METRES_AN_INCH, down * METRES_AN_INCH))


def _tidy(value: float) -> float:
    """300 where a file's whole pixels a metre made 299.9994 of it; else two decimals."""
    whole = round(value)
    return float(whole) if abs(value - whole) <= METRES_AN_INCH / 2 else round(value, 2)
