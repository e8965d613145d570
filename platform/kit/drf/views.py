"""Base of the management API's views: parse, make one call, render.

Failure: every error has the body of `kit.drf.errors`, and every answer an
`x-request-id`, the caller's own when it sent a UUID.
"""

import time
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from kit.drf.schema import ManagementSchema
from kit.drf.serializers import Filters, Input
from kit.errors import InvalidRequest
from kit.ids import uuid7
from kit.orm.roles import as_operator

REQUEST_ID = "x-request-id"


class OperatorView(APIView):
    """A view that reads and writes as the operator role; permission is checked first.

    `noun` is what its operations are about, in the singular; `conflicting` names the
    actions that an object's state, or another object, may forbid with 409.
    """

    noun: str | None = None
    conflicting: tuple[str, ...] = ()
    schema = ManagementSchema()

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Handle the request as operator."""
        with as_operator():
            return super().dispatch(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Give the answer its request id."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response[REQUEST_ID] = _request_id(request.headers.get(REQUEST_ID, ""))
        return response

    def parse(
        self, serializer: type[Input], *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the validated body; raises `ValidationError`, which is a 400."""
        parsed = serializer(data=self.request.data, partial=partial)
        parsed.is_valid(raise_exception=True)
        values: dict[str, Any] = parsed.validated_data
        return values

    def parse_query(self, serializer: type[Filters]) -> dict[str, Any]:
        """Return the validated query; raises what is a 400."""
        for name, given in self.request.query_params.lists():
            if len(given) > 1:
                # Answering one of them would be answering another question.
                raise InvalidRequest(f"'{name}' is given more than once.", param=name)
        # As a plain mapping: of a form, DRF would take a missing boolean for false.
        parsed = serializer(data=self.request.query_params.dict())
        parsed.is_valid(raise_exception=True)
        values: dict[str, Any] = parsed.validated_data
        return values


class OperatorViewSet(OperatorView, GenericViewSet):  # type: ignore[type-arg]
    """A viewset that reads and writes as the operator role, its objects named by id."""

    lookup_value_converter = "int"

    def page(
        self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]
    ) -> Response:
        """Answer with the page of `rows` that the request names."""
        found = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(found, many=True).data)


def _request_id(sent: str) -> str:
    try:
        return str(UUID(sent))
    except ValueError:
        return str(uuid7(time.time_ns() // 1_000_000))
