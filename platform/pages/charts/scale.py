"""Round numbers for an axis that starts at zero. Pure.

A step is 1, 2 or 5 times a power of ten, so that the lines can be read off at a glance.
Whole numbers in, whole numbers out: no length here is a float.
"""

from kit.money import exponent, format_picos

STEPS_MAX = 5
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"), (1, ""))


def ticks(largest: int) -> list[int]:
    """Return evenly spaced numbers from zero to one that is not below `largest`."""
    step = _step(max(largest, 1))
    return [step * number for number in range(-(-max(largest, 1) // step) + 1)]


def span(lowest: int, highest: int) -> list[int]:
    """Return evenly spaced numbers around zero that hold both, a step at the least."""
    low, high = min(lowest, 0), max(highest, 0)
    step = _step(max(high - low, 1))
    above = -(-max(high, 0 if low else 1) // step)
    return [step * number for number in range(low // step, above + 1)]


def _step(largest: int) -> int:
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * STEPS_MAX >= largest:
                return factor * power
        power *= 10


def money_labels(picos: list[int], currency: str) -> list[str]:
    """Show amounts with equally many places, and none where all are whole."""
    texts = [format_picos(each) for each in picos]
    finest = max(len(text.partition(".")[2].rstrip("0")) for text in texts)
    places = max(finest, exponent(currency)) if finest else 0
    return [_with_places(text, places) for text in texts]


def count_labels(numbers: list[int]) -> list[str]:
    """Show counts briefly: 1500000 as 1.5M."""
    size, suffix = next(
        (unit for unit in _UNITS if unit[0] <= max(numbers)), _UNITS[-1]
    )
    parts = [divmod(number, size) for number in numbers]
    digits = len(f"{size}") - 1
    fractions = [f"{rest:0{digits}d}"[:digits].rstrip("0") for _, rest in parts]
    places = max(len(fraction) for fraction in fractions)
    return [
        f"{whole:,}{f'.{fraction:0<{places}}' if places else ''}{suffix}"
        if whole or rest
        else "0"
        for (whole, rest), fraction in zip(parts, fractions, strict=True)
    ]


def _with_places(text: str, places: int) -> str:
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals[:places]:0<{places}}" if places else whole
