"""Taxes over HTTP: parse, make one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.taxes import selectors, services
from metering.taxes.api import serializers as wire
from metering.usage.selectors import database_now


class TaxRateViewSet(ManagementViewSet):
    """What places charge."""

    noun = "tax_rate"
    conflicting = ("create", "end")
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "end": Scope.OPERATE_WRITE,
    }

    @extend_schema(parameters=[wire.RateFilters], responses=wire.RateOutput(many=True))
    def list(self, request: Request) -> Response:
        """List tax rates, newest first.

        A tenant that is taxed in a region pays the rates of its country and its region.
        """
        filters = self.parse_query(wire.RateFilters)
        return self.page(selectors.tax_rates(**filters), wire.RateOutput)

    @extend_schema(request=wire.RateInput, responses={201: wire.RateOutput})
    def create(self, request: Request) -> Response:
        """Say what a place charges from an instant on.

        A place has one rate of a name at a time: end the one that holds first. What
        was invoiced keeps the rates that it was made with.
        """
        row = services.create_rate(**self.parse(wire.RateInput))
        row.refresh_from_db()
        return Response(wire.RateOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.RateOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a tax rate.

        Its percentage never changes: another one is another rate.
        """
        return Response(wire.RateOutput(selectors.tax_rate(pk)).data)

    @extend_schema(request=wire.RateEnd, responses=wire.RateOutput)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: int) -> Response:
        """Let a rate end, now or later, for good.

        Another one of the same place and name may begin at that instant.
        """
        row = services.end_rate(
            rate=selectors.tax_rate(pk), now=database_now(), **self.parse(wire.RateEnd)
        )
        return Response(wire.RateOutput(row).data)


class TaxTreatmentViewSet(ManagementViewSet):
    """How tenants are taxed."""

    noun = "tax_treatment"
    conflicting = ("create",)
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
    }

    @extend_schema(
        parameters=[wire.TreatmentFilters], responses=wire.TreatmentOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List how tenants are and were taxed, newest first.

        A tenant without one is charged no tax.
        """
        filters = self.parse_query(wire.TreatmentFilters)
        return self.page(selectors.tax_treatments(**filters), wire.TreatmentOutput)

    @extend_schema(request=wire.TreatmentInput, responses={201: wire.TreatmentOutput})
    def create(self, request: Request) -> Response:
        """Say how a tenant is taxed from an instant on.

        It ends what held before. `taxed` takes a country with a rate; `exempt` and
        `reverse_charge` take the note that invoices print. The same again answers with
        what is in force.
        """
        terms = self.parse(wire.TreatmentInput)
        row = services.treat_tenant(now=database_now(), **terms)
        row.refresh_from_db()
        return Response(wire.TreatmentOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.TreatmentOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show how a tenant is or was taxed.

        It never changes, but for its end.
        """
        return Response(wire.TreatmentOutput(selectors.tax_treatment(pk)).data)
