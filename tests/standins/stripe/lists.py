"""Stripe's list objects: at most a hundred rows, and a cursor on either side.

Rows are taken one by one and no further than the page needs: an account holds
thousands.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tests.standins.stripe.errors import invalid, missing

LIMIT_MAX = 100
LIMIT_DEFAULT = 10
Row = dict[str, Any]


def page(rows: Iterable[Row], params: dict[str, Any], *, url: str) -> Row:
    """Return the page of `rows` that `limit` and the cursor ask for."""
    limit = params.get("limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid(f"Invalid limit: must be 1 to {LIMIT_MAX}", param="limit")
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid("Give starting_after or ending_before, not both.")
    if before:
        found = list(_last_before(rows, before, limit + 1))
        more, data = len(found) > limit, found[-limit:]
    else:
        rest = _after(rows, after) if after else iter(rows)
        found = list(islice(rest, limit + 1))
        more, data = len(found) > limit, found[:limit]
    return {"object": "list", "url": url, "has_more": more, "data": data}


def _after(rows: Iterable[Row], reference: str) -> Iterator[Row]:
    rest = iter(rows)
    for row in rest:
        if row["id"] == reference:
            return rest
    raise missing("object", reference, param="starting_after")


def _last_before(rows: Iterable[Row], reference: str, most: int) -> deque[Row]:
    kept: deque[Row] = deque(maxlen=most)
    for row in rows:
        if row["id"] == reference:
            return kept
        kept.append(row)
    raise missing("object", reference, param="ending_before")
