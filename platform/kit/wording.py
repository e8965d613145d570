"""Numbers and the words that go with them: one thing, several things. Pure."""


def counted(number: int, one: str, several: str) -> str:
    """Return a number with the words for it: `1 day waits`, `2 days wait`."""
    return f"{number:,} {one if number == 1 else several}"
