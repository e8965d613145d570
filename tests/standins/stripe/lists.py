"""Stripe's list objects: at most a hundred rows, and a cursor on either side."""

from collections.abc import Sequence
from typing import Any

from tests.standins.stripe.errors import invalid, missing

LIMIT_MAX = 100
LIMIT_DEFAULT = 10


def page(
    rows: Sequence[dict[str, Any]], params: dict[str, Any], *, url: str
) -> dict[str, Any]:
    """Return the page of `rows` that `limit` and the cursor ask for."""
    limit = params.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid(f"Invalid limit: must be 1 to {LIMIT_MAX}", param="limit")
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("Give starting_after or ending_before, not both.")
    ids = [row["id"] for row in rows]
    start, end = 0, len(rows)
    if after:
        start = _index(ids, after, "starting_after") + 1
    if before:
        end = _index(ids, before, "ending_before")
        start = max(0, end - limit)
    data = list(rows[start:end][:limit])
    more = start > 0 if before else start + limit < end
    return {"object": "list", "url": url, "has_more": more, "data": data}


def _index(ids: list[str], reference: str, param: str) -> int:
    if reference not in ids:
        raise missing("object", reference, param=param)
    return ids.index(reference)
