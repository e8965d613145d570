"""Price books over HTTP: create one, draft a version, set its prices, publish it.

Failure: the services decide. A published version answers every change with 409.
"""

import datetime as dt
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.errors import InvalidRequest, NotFound
from kit.orm.atomic import atomic
from kit.scopes import Scope
from metering.pricing import assigning, previewing, selectors, services
from metering.pricing.api import preview_serializers as effect_wire
from metering.pricing.api import serializers as wire
from metering.pricing.discounting import set_discounts
from metering.pricing.models import PriceBook, PriceBookVersion
from metering.usage.epochs import database_now


class PriceBookViewSet(ManagementViewSet):
    """Price books."""

    noun = "price_book"
    conflicting = ("create", "assign")
    locks = PriceBook
    lock_by: ClassVar = {"book_id": "pk"}
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "assign": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.PriceBookFilters], responses=wire.PriceBookOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List price books, the latest first.

        A book holds the prices of one currency, in versions.
        """
        wanted = self.parse_query(wire.PriceBookFilters)
        return self.page(selectors.price_books().filter(**wanted), wire.PriceBookOutput)

    @extend_schema(request=wire.PriceBookInput, responses={201: wire.PriceBookOutput})
    def create(self, request: Request) -> Response:
        """Create an empty price book.

        A default book applies to every tenant of its currency that has none of its own;
        there is one for each currency at most. Its first version is drafted next.
        """
        book = services.create_price_book(**self.parse(wire.PriceBookInput))
        return Response(wire.PriceBookOutput(book).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.PriceBookOutput)
    def retrieve(self, request: Request, book_id: int) -> Response:
        """Show a price book.

        Its prices are those of its versions.
        """
        return Response(wire.PriceBookOutput(_book(book_id)).data)

    @extend_schema(request=wire.AssignmentInput, responses=wire.AssignmentOutput)
    def assign(self, request: Request, book_id: int) -> Response:
        """Let a tenant pay by this book, from now on or for a span of time.

        What was assigned for that time gives way, and what was used before keeps the
        price that it was admitted at. Their currencies must be the same: an invoice has
        one.
        """
        assignment = assigning.assign_book(
            book=_book(book_id), now=database_now(), **self.parse(wire.AssignmentInput)
        )
        return Response(wire.AssignmentOutput(assignment).data)


class AssignmentViewSet(ManagementViewSet):
    """Which tenants pay by a book of their own, and when."""

    noun = "price_book_assignment"
    conflicting = ("end",)
    scopes: ClassVar = {"list": Scope.OPERATE_READ, "end": Scope.OPERATE_WRITE}

    @extend_schema(
        parameters=[wire.AssignmentFilters], responses=wire.AssignmentOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List which tenants are assigned which book and when, the latest first.

        For all other time a tenant pays by the default book of its currency.
        """
        wanted = self.parse_query(wire.AssignmentFilters)
        rows = selectors.assignments(
            tenant=wanted.get("tenant"), book_id=wanted.get("price_book")
        )
        return self.page(rows, wire.AssignmentOutput)

    @extend_schema(request=wire.AssignmentEndInput, responses=wire.AssignmentOutput)
    def end(self, request: Request, pk: int) -> Response:
        """Let a tenant pay by the default book again, from now or a later instant on.

        An assignment that has not begun by then is withdrawn: it is shown as ending
        where it would have begun, and listed no more.
        """
        assignment = assigning.end_assignment(
            assignment=selectors.assignment(pk),
            now=database_now(),
            **self.parse(wire.AssignmentEndInput),
        )
        return Response(wire.AssignmentOutput(assignment).data)


class VersionViewSet(ManagementViewSet):
    """Versions of one price book."""

    noun = "price_book_version"
    conflicting = ("create", "partial_update", "set_prices", "publish")
    locks = PriceBookVersion
    lock_by: ClassVar = {"book_id": "book_id", "number": "number"}
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "set_prices": Scope.OPERATE_WRITE,
        "publish": Scope.OPERATE_WRITE,
    }

    @extend_schema(responses=wire.VersionOutput(many=True))
    def list(self, request: Request, book_id: int) -> Response:
        """List the versions of a book with their prices, the newest first.

        The last one published whose `effective_at` has come is in force.
        """
        return self.page(_versions(book_id), wire.VersionOutput)

    @extend_schema(request=wire.VersionInput, responses={201: wire.VersionOutput})
    def create(self, request: Request, book_id: int) -> Response:
        """Draft the next version of a book.

        `copy_from` starts it with the prices of a version that exists. A draft prices
        nothing until it is published.
        """
        book = _book(book_id)
        wanted = self.parse(wire.VersionInput)
        version = services.draft_version(
            book=book,
            effective_at=wanted["effective_at"],
            copy_from=_source(book_id, wanted["copy_from"]),
        )
        return Response(wire.VersionOutput(version).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.VersionOutput)
    def retrieve(self, request: Request, book_id: int, number: int) -> Response:
        """Show a version with its prices.

        A price's `id` is what each usage event names that was charged by it.
        """
        return Response(wire.VersionOutput(_version(book_id, number)).data)

    @extend_schema(request=wire.VersionChanges, responses=wire.VersionOutput)
    def partial_update(self, request: Request, book_id: int, number: int) -> Response:
        """Let a draft begin at another instant, or set its discounts.

        Prices that are not quoted follow from the discounts, in whole picos per token.
        A published version cannot change any more.
        """
        version = _version(book_id, number)
        changes = self.parse(wire.VersionChanges)
        begins = changes.pop("effective_at", None)
        with atomic():
            if begins is not None:
                services.reschedule_version(version=version, effective_at=begins)
            set_discounts(version=version, **changes)
        return Response(wire.VersionOutput(_version(book_id, number)).data)

    @extend_schema(
        operation_id="set_prices",
        request=wire.PricesInput,
        responses=wire.VersionOutput,
    )
    def set_prices(self, request: Request, book_id: int, number: int) -> Response:
        """Set all prices of a draft, all or none.

        What is not listed is taken out of the draft. Prices are text, per million
        tokens, with at most six decimals: a token then costs a whole number of picos.
        """
        version = _version(book_id, number)
        wanted = self.parse(wire.PricesInput)["prices"]
        listed = [price["model"] for price in wanted]
        if len(set(listed)) != len(listed):
            raise InvalidRequest("A model is listed twice.", param="prices")
        with atomic():
            quoted = {
                price.model for price in version.prices.all() if not price.follows
            }
            for model in sorted(quoted - set(listed)):
                services.remove_price(version=version, model=model)
            for price in wanted:
                services.set_price(version=version, **price)
        return Response(wire.VersionOutput(_version(book_id, number)).data)

    @extend_schema(request=wire.PublishInput, responses=wire.VersionOutput)
    def publish(self, request: Request, book_id: int, number: int) -> Response:
        """Publish a draft, for good.

        Its prices are in force from its `effective_at` on, in every gateway. A model
        that the version before priced and this one does not must be named in `drop`:
        without a price it cannot be called.
        """
        version = _version(book_id, number)
        services.publish_version(
            version=version, now=database_now(), **self.parse(wire.PublishInput)
        )
        return Response(wire.VersionOutput(_version(book_id, number)).data)


class PreviewViewSet(ManagementViewSet):
    """What a version would come to, by the use of a month."""

    noun = "price_book_version"
    scopes: ClassVar = {
        "preview": Scope.OPERATE_READ,
        "preview_total": Scope.OPERATE_READ,
    }

    @extend_schema(
        operation_id="preview_price_book_version",
        parameters=[effect_wire.PreviewFilters],
        responses=effect_wire.EffectOutput(many=True),
    )
    def preview(self, request: Request, book_id: int, number: int) -> Response:
        """Replay a month's use under a version, tenant by tenant, the latest first.

        Those are listed who used something then and would pay by the version, also by a
        contract on its book. Amounts are exact, in units of the book's currency, and of
        the models that the version prices; the others are named.
        """
        version, month = _version(book_id, number), self._month()
        tenants = previewing.payers(version=version, month=month)
        page = self.paginate_queryset(tenants)
        found = previewing.effects(version=version, month=month, tenants=page or [])
        shown = [
            effect_wire.EffectOutput((each, version.book.currency)) for each in found
        ]
        return self.get_paginated_response([each.data for each in shown])

    @extend_schema(
        operation_id="preview_price_book_version_total",
        parameters=[effect_wire.PreviewFilters],
        responses=effect_wire.TotalOutput,
    )
    def preview_total(self, request: Request, book_id: int, number: int) -> Response:
        """Replay a month's use under a version, all tenants together.

        Models that were used and would have no price are named, with how many tenants
        used them.
        """
        version, month = _version(book_id, number), self._month()
        came_to = previewing.total(version=version, month=month)
        currency = version.book.currency
        return Response(effect_wire.TotalOutput((came_to, month, currency)).data)

    def _month(self) -> previewing.Month:
        given: dt.date | None = self.parse_query(effect_wire.PreviewFilters).get(
            "month"
        )
        if given is None:
            return previewing.last_month(now=database_now())
        return previewing.month_of(given)


def _book(book_id: int) -> PriceBook:
    book = selectors.price_books().filter(pk=book_id).first()
    if book is None:
        raise NotFound(f"There is no price book {book_id}.")
    return book


def _versions(book_id: int) -> QuerySet[PriceBookVersion]:
    return selectors.versions(book=_book(book_id))


def _version(book_id: int, number: int) -> PriceBookVersion:
    version = _versions(book_id).filter(number=number).first()
    if version is None:
        raise NotFound(f"Price book {book_id} has no version {number}.")
    return version


def _source(book_id: int, number: int | None) -> PriceBookVersion | None:
    if number is None:
        return None
    try:
        return _version(book_id, number)
    except NotFound as missing:
        raise InvalidRequest(missing.message, param="copy_from") from None
