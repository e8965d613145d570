"""Base of the management API's views: parse, make one call, render.

A request runs in the role of its caller: an operator sees every tenant, a tenant's
token only the rows of its own. What is written is one transaction, which an error
undoes; with an `Idempotency-Key` it is done once however often it is sent, and with
`If-Match` only to the version that the caller has seen.

Failure: every error has the body of `kit.drf.problems`, and every answer an
`x-request-id`, the caller's own when it sent a UUID.
"""

import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar, cast

from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control, patch_vary_headers
from rest_framework import status
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from kit.acting import Actor, acting_as
from kit.drf import idempotency, throttles, versions
from kit.drf.origin import client_address
from kit.drf.problems import REQUEST_ID, request_id_of
from kit.drf.schema import ManagementSchema
from kit.drf.serializers import Filters, Input
from kit.errors import InvalidApiKey, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.audited import take_turn
from kit.orm.roles import as_operator, as_tenant, current_alias
from kit.scopes import Scope


class _RepliedError(Exception):
    """The answer is there before the view was asked: a kept one."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class ManagementView(APIView):
    """A view that reads and writes in the role of its caller.

    `scopes` names for each action, or method, what the caller must hold: an action that
    it does not name is refused, one with None takes any token. `noun` is what its
    operations are about, in the singular; `conflicting` names the actions that an
    object's state, or another object, may forbid with 409.
    """

    noun: str | None = None
    scopes: ClassVar[Mapping[str, Scope | None]] = {}
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
        self.request_id = request_id_of(request)
        self._in_transaction = False
        self._keyed: idempotency.KeyedRequest | None = None
        with ExitStack() as self._role:
            response = super().dispatch(request, *args, **kwargs)
            if not self._in_transaction:
                return response
            if response.status_code >= status.HTTP_400_BAD_REQUEST:
                transaction.set_rollback(True, using=current_alias())
            elif self._keyed is not None:
                self._keep(response, self._keyed)
            return response

    def perform_authentication(self, request: Request) -> None:
        """Find out who calls, and count the request against its share."""
        address, now_s = client_address(request._request), time.time()
        try:
            super().perform_authentication(request)
        except InvalidApiKey:
            throttles.take_failure(address, now_s=now_s)
            raise
        if isinstance(request.user, Actor):
            is_read = _is_read(request)
            throttles.take_request(request.user, is_read=is_read, now_s=now_s)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, become it, and see that it asks for this once and now."""
        super().initial(request, *args, **kwargs)
        if request.method not in self.allowed_methods:
            # Before its headers are read: a method that is not there has none.
            self.http_method_not_allowed(request, *args, **kwargs)
        actor = replace(self.actor, request_id=self.request_id)
        self._role.enter_context(acting_as(actor))
        if actor.tenant_id is not None:
            self._role.enter_context(as_tenant(actor.tenant_id))
            self._in_transaction = True
        else:
            self._role.enter_context(as_operator())
        if _is_read(request):
            return
        if actor.tenant_id is not None:
            take_turn(actor.tenant_id)
        else:
            self._role.enter_context(atomic())
            self._in_transaction = True
        self._claim(request._request, actor)
        self.check_condition(request)

    def check_condition(self, request: Request) -> None:
        """Hold `If-Match` against the object: here is none to hold it against."""
        if versions.condition_of(request._request):
            raise versions.refuse_condition()

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]
        """Answer an error, or with what this request was answered before."""
        if isinstance(exc, _RepliedError):
            return exc.response
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> Response:
        """Give the answer its request id, and keep it from shared caches."""
        # DRF takes any of Django's responses, whatever its types say.
        final = super().finalize_response(
            request, cast("Response", response), *args, **kwargs
        )
        final[REQUEST_ID] = self.request_id
        patch_vary_headers(final, ("Authorization",))
        if "Cache-Control" not in final.headers:
            patch_cache_control(final, private=True, no_cache=True)
        return final

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

    def _claim(self, request: HttpRequest, actor: Actor) -> None:
        """Claim the request's key, if it has one; a kept answer ends the request."""
        keyed = idempotency.keyed(request, actor)
        if keyed is None:
            return
        kept = idempotency.store().claim(keyed)
        if kept is not None:
            raise _RepliedError(idempotency.replay(kept))
        self._keyed = keyed

    def _keep(
        self, response: HttpResponseBase, keyed: idempotency.KeyedRequest
    ) -> None:
        """Keep the answer in the transaction that it tells of."""
        answer = cast("HttpResponse", response)
        if isinstance(answer, Response):
            answer.render()
        idempotency.store().keep(keyed, idempotency.kept(answer))


class ManagementViewSet(ManagementView, GenericViewSet):  # type: ignore[type-arg]
    """A viewset of the management API, its objects named by id.

    `retrieve` shows an object, and what it shows is hashed to its ETag, but for the
    fields that are `volatile`. `locks` is the model whose row stands for the object:
    writes with `If-Match` lock it, found by what `lock_by` makes of the address.
    """

    lookup_value_converter = "int"
    locks: ClassVar[type[models.Model] | None] = None
    lock_by: ClassVar[Mapping[str, str]] = {"pk": "pk"}
    volatile: ClassVar[Collection[str]] = ()

    def page(
        self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]
    ) -> Response:
        """Answer with the page of `rows` that the request names."""
        found = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(found, many=True).data)

    def check_condition(self, request: Request) -> None:
        """Refuse a write to another version of the object than `If-Match` names."""
        taken = versions.condition_of(request._request)
        if not taken:
            return
        if self.locks is None or set(self.kwargs) != set(self.lock_by):
            raise versions.refuse_condition()
        named = {self.lock_by[name]: value for name, value in self.kwargs.items()}
        # Whoever else changes the object waits here or made us wait.
        list(self.locks._default_manager.select_for_update().filter(**named))
        shown = self.retrieve(request, **self.kwargs).data  # type: ignore[attr-defined]
        versions.require(taken, versions.etag_of(shown, self.volatile))

    def finalize_response(
        self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any
    ) -> Response:
        """Give an answer that shows one object its ETag."""
        if (
            isinstance(response, Response)
            and response.status_code == status.HTTP_200_OK
            and self.action in versions.SHOWING
        ):
            response = versions.answered(request._request, response, self.volatile)
        return super().finalize_response(request, response, *args, **kwargs)


def _is_read(request: Request) -> bool:
    return request.method in SAFE_METHODS
