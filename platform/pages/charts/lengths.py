"""Lengths of a drawing as text: shares of its width, and pixels upwards. Pure.

Whole numbers in: no length here is a float.
"""

_TENTHS = 10


def percent(part: int, whole: int) -> str:
    """Return a share of a width, to a thousandth of a percent."""
    if whole <= 0:
        return "0%"
    thousandths = max(part, 0) * 100_000 // whole
    return f"{thousandths // 1000}.{thousandths % 1000:03d}%"


def seen(part: int, whole: int, *, least_per_mille: int = 4) -> str:
    """Return a share as `percent` does; something is never drawn as nothing."""
    if part <= 0:
        return "0%"
    return percent(max(part * 1000, least_per_mille * whole), whole * 1000)


def pixels(tenths: int) -> str:
    """Return tenths of a pixel as pixels."""
    return f"{tenths // _TENTHS}.{tenths % _TENTHS}"
