"""Base of the management API's views: parse, make one call, render.

A request runs in the role of its caller: an operator sees every tenant, a tenant's
token only the rows of its own. What is written is one transaction, which an error
undoes. Failure: every error has the body of `kit.drf.errors`, and every answer an
`x-request-id`, the caller's own when it sent a UUID.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from kit.acting import Actor, acting_as
from kit.drf.schema import ManagementSchema
from kit.drf.serializers import Filters, Input
from kit.errors import InvalidRequest
from kit.ids import uuid7
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator, as_tenant, current_alias
from kit.scopes import Scope

REQUEST_ID = "x-request-id"


class ManagementView(APIView):
    """A view that reads and writes in the role of its caller.

    `scopes` names for each action, or method, what the caller must hold: without one
    the action is refused. `noun` is what its operations are about, in the singular;
    `conflicting` names the actions that an object's state, or another object, may
    forbid with 409.
    """

    noun: str | None = None
    scopes: ClassVar[Mapping[str, Scope]] = {}
    conflicting: tuple[str, ...] = ()
    schema = ManagementSchema()

    @property
    def actor(self) -> Actor:
        """Return who calls."""
        # DRF's own types know nobody but Django's users.
        return cast("Actor", self.request.user)

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Handle the request in the role that its caller turns out to have."""
        self.request_id = _request_id(request.headers.get(REQUEST_ID, ""))
        self._in_transaction = False
        with ExitStack() as self._role:
            response = super().dispatch(request, *args, **kwargs)
            if (
                self._in_transaction
                and response.status_code >= status.HTTP_400_BAD_REQUEST
            ):
                transaction.set_rollback(True, using=current_alias())
            return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, then become it."""
        super().initial(request, *args, **kwargs)
        actor = replace(self.actor, request_id=self.request_id)
        self._role.enter_context(acting_as(actor))
        if actor.tenant_id is not None:
            self._role.enter_context(as_tenant(actor.tenant_id))
            self._in_transaction = True
            return
        self._role.enter_context(as_operator())
        if request.method not in SAFE_METHODS:
            self._role.enter_context(atomic())
            self._in_transaction = True

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Give the answer its request id."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response[REQUEST_ID] = self.request_id
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


class ManagementViewSet(ManagementView, GenericViewSet):  # type: ignore[type-arg]
    """A viewset of the management API, its objects named by id."""

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
