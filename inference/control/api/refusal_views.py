"""The management API of refusals: parse, one call, render."""

import datetime as dt
import re
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from inference.control.api.serializers import refusals as wire
from inference.control.refusals import (
    KEPT,
    RefusalQuery,
    RefusedWithinHour,
    refused_by_hour,
)
from kit.drf.pagination import ForwardPagination
from kit.drf.views import ManagementViewSet
from kit.errors import InvalidRequest
from kit.scopes import Scope
from tenants.api.meaning import tenant_meant

_POSITION = r"([0-9]{1,10})/([0-9a-f]{64})"
_HOUR = dt.timedelta(hours=1)


class RefusalPagination(ForwardPagination):
    """Pages along hours, newest first."""

    ordering = "-hour"
    position = _POSITION

    def last_seen(self, request: Request) -> tuple[dt.datetime, str] | None:
        """Return where the page before ended, None for the first page."""
        found = re.fullmatch(_POSITION, self.before(request) or "")
        if found is None:
            return None
        return dt.datetime.fromtimestamp(int(found[1]), dt.UTC), found[2]


class RefusalViewSet(ManagementViewSet):
    """Requests that were refused, as gateways counted them."""

    noun = "refusal"
    pagination_class = RefusalPagination
    scopes: ClassVar = {"list": Scope.USAGE_READ}

    @extend_schema(
        parameters=[wire.RefusalFilters], responses=wire.RefusalOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List how many of a tenant's requests were refused, by hour, newest first.

        A refused request is not metered and not billed: it is counted by the hour of
        UTC, with its key, model, status, code and the limit that refused it, and has no
        receipt. Rows of the running hour still grow; what a gateway counted is here
        within seconds, and for 31 days.

        A member who is kept to projects sees what was refused of those alone.
        """
        asked = self.parse_query(wire.RefusalFilters)
        pages = RefusalPagination()
        size, before = pages.get_page_size(request), pages.last_seen(request)
        now = timezone.now()
        query = RefusalQuery(
            tenant_id=tenant_meant(self.actor, asked.pop("tenant", None)).pk,
            start=asked.pop("start", now - KEPT),
            # What a gateway's clock is ahead is in an hour that has not begun here.
            end=asked.pop("end", now + _HOUR),
            reach=self.actor.project_ids,
            **asked,
        )
        if query.end <= query.start:
            raise InvalidRequest(
                "'end' must lie after 'start': the range is half-open.", param="end"
            )
        rows = refused_by_hour(query, before=before, size=size + 1)
        shown = rows[:size]
        goes_on = len(rows) > size
        return pages.answer(
            request,
            [_shown(row) for row in shown],
            _position(shown[-1]) if goes_on else None,
        )


def _position(row: RefusedWithinHour) -> str:
    hour, kind = row.position
    return f"{int(hour.timestamp())}/{kind}"


def _shown(row: RefusedWithinHour) -> dict[str, Any]:
    shown = {
        "hour": row.hour,
        "project_id": row.project_id,
        "project": row.project,
        "key_id": row.api_key_id,
        "key": row.api_key,
        "model": row.model,
        "status": row.status,
        "code": row.code,
        "limit": row.limit,
        "requests": row.requests,
        "last_at": row.last_at,
    }
    return dict(wire.RefusalOutput(shown).data)
