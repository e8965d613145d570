"""Which version of an object a caller has seen: `ETag`, `If-Match`, `If-None-Match`.

An ETag is a hash of the object as it is shown to this caller, so nothing has to count
versions. A write with `If-Match` locks the object's row first and then looks at it
again: of two that were made from one version the later finds another one, and is
refused. Failure: 412 that says to read again; a condition where there is nothing to
hold it against is a 400, never ignored.
"""

import hashlib
from collections.abc import Collection
from typing import Any

from django.http import HttpRequest
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from kit.errors import InvalidRequest, PreconditionFailed

HEADER = "ETag"
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
# The actions that answer with an object as it is.
SHOWING = frozenset({"retrieve", "partial_update"})
_ANY = "*"


def etag_of(shown: Any, volatile: Collection[str] = ()) -> str:
    """Return the strong ETag of an object as it is shown, without volatile fields.

    What use alone changes is no new version: nobody's edit fails because a key was
    used meanwhile.
    """
    lasting = {name: value for name, value in shown.items() if name not in volatile}
    rendered = JSONRenderer().render(lasting)
    return f'"{hashlib.sha256(rendered).hexdigest()[:32]}"'


def condition_of(request: HttpRequest) -> tuple[str, ...]:
    """Return the ETags that the caller takes, empty without a condition.

    Raises `InvalidRequest` for a header that holds none.
    """
    sent = request.headers.get(IF_MATCH)
    if sent is None:
        return ()
    taken = tuple(parse_etags(sent))
    if not taken:
        raise InvalidRequest(
            'Give an ETag with its quotes, such as "0f3a...", as an answer had it.',
            param=IF_MATCH,
        )
    return taken


def require(taken: tuple[str, ...], current: str) -> None:
    """Raise `PreconditionFailed` unless the object's ETag is among those taken."""
    # A weak ETag says less than this comparison asks for, so it never matches.
    if _ANY not in taken and current not in taken:
        raise PreconditionFailed(
            "The object has changed since you read it. Read it again, make your change"
            " to what it is now, and send that with its new ETag.",
            param=IF_MATCH,
        )


def refuse_condition() -> InvalidRequest:
    """Return the refusal of a condition that cannot be held against anything."""
    return InvalidRequest(
        "This operation is on no single object: leave 'If-Match' out.", param=IF_MATCH
    )


def answered(
    request: HttpRequest, response: Response, volatile: Collection[str]
) -> Response:
    """Give an answer that shows one object its ETag; or 304 where it was seen so.

    An object with volatile fields is always shown: what a caller holds may be stale in
    them.
    """
    etag = etag_of(response.data, volatile)
    response[HEADER] = etag
    patch_vary_headers(response, ("Authorization",))
    seen = parse_etags(request.headers.get(IF_NONE_MATCH, ""))
    is_read = request.method in {"GET", "HEAD"}
    if not is_read or volatile or not (_ANY in seen or _matches(etag, seen)):
        return response
    unchanged = Response(status=status.HTTP_304_NOT_MODIFIED)
    unchanged[HEADER] = etag
    patch_vary_headers(unchanged, ("Authorization",))
    return unchanged


def _matches(etag: str, seen: Collection[str]) -> bool:
    """Compare weakly: a proxy that compressed the body made the ETag weak."""
    return any(each.removeprefix("W/") == etag for each in seen)
