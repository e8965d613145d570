"""Lists are paged by key: a page costs the same wherever it is.

Failure: a cursor or limit that makes no sense is a 400 that says so, never another
page.
"""

import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from kit.errors import InvalidRequest

_SIZE = re.compile(r"[0-9]{1,4}")


class KeysetPagination(CursorPagination):
    """Pages of `limit` rows (50, at most 200), newest first, with opaque `cursor`s."""

    ordering = "-id"
    # What a cursor holds: an id of this form.
    position = r"[0-9]{1,18}"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    cursor_query_description = (
        "Where the page starts: take it from `next` or `previous`."
    )
    page_size_query_description = "Rows on a page, 1 to 200 (default: 50)."

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return where the page starts, or None for the first one."""
        if self.cursor_query_param not in request.query_params:
            return None
        try:
            cursor = super().decode_cursor(request)
        except NotFound:
            cursor = None
        # What decodes to anything but an id is not ours, and would reach the database.
        if cursor is None or not re.fullmatch(self.position, str(cursor.position)):
            raise InvalidRequest(
                "This is no cursor of this list: take it from `next` or `previous`.",
                param="cursor",
            )
        return cursor

    def get_page_size(self, request: Request) -> int:
        """Return how many rows were asked for."""
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return self.page_size
        size = int(text) if _SIZE.fullmatch(text) else 0
        if not 1 <= size <= self.max_page_size:
            raise InvalidRequest(
                f"Give a whole number from 1 to {self.max_page_size}.", param="limit"
            )
        return size

    def get_paginated_response(self, data: Any) -> Response:
        """Answer `{"data": [...], "next": url, "previous": url}`."""
        return Response(
            {
                "data": data,
                "next": self.get_next_link(),
                "previous": self.get_previous_link(),
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the page in OpenAPI."""
        links = {
            name: {
                "type": ["string", "null"],
                "format": "uri",
                "description": f"The {name} page, or null where there is none.",
                "example": None,
            }
            for name in ("next", "previous")
        }
        return {
            "type": "object",
            "required": ["data", "next", "previous"],
            "properties": {"data": schema, **links},
        }


class ForwardPagination(KeysetPagination):
    """Pages that only go on, of rows that a selector has read: `previous` is null."""

    def before(self, request: Request) -> str | None:
        """Return the position that the page begins after, None for the first page."""
        cursor = self.decode_cursor(request)
        return None if cursor is None else str(cursor.position)

    def answer(self, request: Request, data: Any, before: object | None) -> Response:
        """Answer with a page, and where the next one starts; None where none does."""
        self.base_url = request.build_absolute_uri()
        following = None
        if before is not None:
            # DRF pages by any field, whatever its types say.
            position: Any = str(before)
            following = self.encode_cursor(Cursor(0, reverse=False, position=position))
        return Response({"data": data, "next": following, "previous": None})
