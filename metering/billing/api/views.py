"""Invoices over HTTP, to be read: parse, ask the selector, render."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.errors import NotFound
from kit.scopes import Scope
from metering.billing import selectors, services
from metering.billing.api import serializers as wire
from metering.billing.models import Invoice


class InvoiceViewSet(ManagementViewSet):
    """What tenants owe."""

    noun = "invoice"
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "retrieve": Scope.BILLING_READ,
    }

    @extend_schema(
        parameters=[wire.InvoiceFilters], responses=wire.InvoiceOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List invoices, newest first.

        A draft has no number and asks for nothing; `problem` says why it is held.
        Tenants see what was issued to them.
        """
        filters = self.parse_query(wire.InvoiceFilters)
        rows = self._seen(selectors.invoices(**filters))
        return self.page(rows, wire.InvoiceOutput)

    @extend_schema(responses=wire.InvoiceDetailOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show an invoice with its lines.

        Each line is exact, in picos and as a decimal, and is rounded once to what is
        charged: `amount_minor`, in the currency's minor unit. The invoice is the sum of
        its lines.
        """
        invoice = self._seen(selectors.invoices()).filter(pk=pk).first()
        if invoice is None:
            raise NotFound(f"There is no invoice {pk}.")
        context = {"lines": selectors.lines_of(invoice)}
        return Response(wire.InvoiceDetailOutput(invoice, context=context).data)

    def _seen(self, rows: QuerySet[Invoice]) -> QuerySet[Invoice]:
        """Keep what the caller may see: to tenants a draft is no invoice yet."""
        rows = rows.select_related("standing")
        return rows if self.actor.is_operator else selectors.only_issued(rows)


class BillingProfileViewSet(ManagementViewSet):
    """Who tenants are on their invoices."""

    noun = "billing_profile"
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
    }

    @extend_schema(
        parameters=[wire.ProfileFilters], responses=wire.ProfileOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List who tenants are on their invoices.

        A tenant without a profile is called by its name alone.
        """
        filters = self.parse_query(wire.ProfileFilters)
        return self.page(selectors.billing_profiles(**filters), wire.ProfileOutput)

    @extend_schema(request=wire.ProfileInput, responses={201: wire.ProfileOutput})
    def create(self, request: Request) -> Response:
        """Say who a tenant is on the invoices that are issued from now on.

        What is not given stays as it is. What was issued keeps what it says.
        """
        row = services.set_billing_profile(**self.parse(wire.ProfileInput))
        return Response(wire.ProfileOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ProfileOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show who a tenant is on its invoices, by the tenant's id."""
        row = selectors.billing_profiles().filter(pk=pk).first()
        if row is None:
            raise NotFound(f"There is no billing profile of tenant {pk}.")
        return Response(wire.ProfileOutput(row).data)
