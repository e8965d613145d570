"""A page's address is its state: links to the same page, otherwise chosen. Pure.

A parameter that is empty is left out, so that one state has one address.
"""

from collections.abc import Mapping
from urllib.parse import urlencode

from django.http import QueryDict

Query = Mapping[str, str]


def query_of(asked: QueryDict) -> dict[str, str]:
    """Return the last value of each parameter, fit to be asked of the database."""
    # PostgreSQL has no text with a NUL in it, and says so as an error.
    return {
        name: str(asked[name]).replace("\0", "\N{REPLACEMENT CHARACTER}")
        for name in asked
    }


def address(query: Query, **changes: str) -> str:
    """Return the query string of the same page with these parameters otherwise."""
    asked = {**query, **changes}
    return "?" + urlencode({name: value for name, value in asked.items() if value})
