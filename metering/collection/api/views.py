"""Payments through a provider over HTTP: parse, make one call, render."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.collection import portal, selectors
from metering.collection.api import serializers as wire
from metering.collection.buying import asking
from metering.topups.selectors import top_up
from metering.usage.selectors import database_now
from tenants.api.meaning import tenant_meant

_SECRET = {"Cache-Control": "no-store"}


class CheckoutViewSet(ManagementViewSet):
    """Pages on which credit is paid for."""

    noun = "checkout"
    conflicting = ("create", "cancel")
    volatile = ("state", "tax_minor", "total_minor", "url", "problem", "ended_at")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.BILLING_WRITE,
        "retrieve": Scope.BILLING_READ,
        "cancel": Scope.BILLING_WRITE,
    }

    @extend_schema(
        parameters=[wire.CheckoutFilters], responses=wire.CheckoutOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List checkouts, newest first."""
        filters = self.parse_query(wire.CheckoutFilters)
        return self.page(selectors.checkouts(**filters), wire.CheckoutOutput)

    @extend_schema(request=wire.CheckoutInput, responses={201: wire.CheckoutOutput})
    def create(self, request: Request) -> Response:
        """Ask for a page on which a person pays for credit.

        Read the checkout until its `url` is there, within seconds. It can be paid for
        an hour. The credit is granted as soon as the payment has come in, with an
        invoice that is paid already; nothing is owed for a page that nobody pays on. A
        tenant has one top-up open at a time; one that waits for a payment method can be
        paid for by naming it.
        """
        values = self.parse(wire.CheckoutInput)
        if ("amount_minor" in values) == ("top_up" in values):
            raise InvalidRequest("Give an amount, or a top-up.", param="amount_minor")
        now = database_now()
        if "top_up" in values:
            row = asking.pay_on_page(top_up=top_up(values["top_up"]), now=now)
        else:
            tenant = tenant_meant(self.actor, values.get("tenant"))
            amount = values["amount_minor"]
            row = asking.ask_checkout(tenant=tenant, amount_minor=amount, now=now)
        return _shown(row, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.CheckoutOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a checkout: where it is paid, and what has become of it."""
        return _shown(selectors.checkout(pk))

    @extend_schema(request=None, responses=wire.CheckoutOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Close a page, so that another can be asked for.

        It is `cancelled` within seconds, unless it was paid meanwhile.
        """
        row = selectors.checkout(pk)
        return _shown(asking.ask_to_cancel(purchase=row, now=database_now()))


class PaymentMethodViewSet(ManagementViewSet):
    """What tenants can pay with."""

    noun = "payment_method"
    scopes: ClassVar = {"list": Scope.BILLING_READ}

    @extend_schema(
        parameters=[wire.MethodFilters], responses=wire.MethodOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List payment methods, as the provider told of them last.

        They are added, changed and removed on the provider's pages: by paying on a
        checkout, or through a portal link.
        """
        filters = self.parse_query(wire.MethodFilters)
        return self.page(selectors.payment_methods(**filters), wire.MethodOutput)


class PortalLinkViewSet(ManagementViewSet):
    """Links to the provider's page for customers."""

    noun = "portal_link"
    conflicting = ("create",)
    volatile = ("state", "url", "problem")
    scopes: ClassVar = {
        "create": Scope.BILLING_WRITE,
        "retrieve": Scope.BILLING_WRITE,
    }

    @extend_schema(request=wire.PortalLinkInput, responses={201: wire.PortalLinkOutput})
    def create(self, request: Request) -> Response:
        """Ask for a link to the provider's page for customers.

        There a tenant looks after its payment methods and sees its invoices. Read the
        link until its `url` is there, within seconds, and open it at once: it lets
        whoever has it in, and not for long.
        """
        values = self.parse(wire.PortalLinkInput)
        tenant = tenant_meant(self.actor, values.get("tenant"))
        row = portal.ask_for_link(tenant=tenant, now=database_now())
        return _link(row, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.PortalLinkOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a link, for a day."""
        return _link(selectors.portal_link(pk))


def _shown(row: Any, code: int = status.HTTP_200_OK) -> Response:
    return Response(wire.CheckoutOutput(row).data, code, headers=_SECRET)


def _link(row: Any, code: int = status.HTTP_200_OK) -> Response:
    return Response(wire.PortalLinkOutput(row).data, code, headers=_SECRET)
