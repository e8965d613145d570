"""Types of events, and the patterns that name many of them."""


def fits(kind: str, pattern: str) -> bool:
    """Tell whether an event's type is the one named, or in the group before a star."""
    if pattern.endswith("*"):
        return kind.startswith(pattern[:-1])
    return kind == pattern
