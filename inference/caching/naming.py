"""Under which name answers from the cache are priced: the served model's, marked.

No served model can have such a name, so a price for it is for nothing else.
"""

MARK = "@cache"


def priced_as(model: str) -> str:
    """Return the name that a price book knows a model's kept answers by."""
    return model + MARK
