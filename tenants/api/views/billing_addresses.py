"""Billing addresses over HTTP: parse, one call, render."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors
from tenants.api.meaning import tenant_meant
from tenants.api.serializers import billing_addresses as wire
from tenants.mails import addresses


class BillingAddressViewSet(ManagementViewSet):
    """Where tenants' bills go."""

    noun = "billing_address"
    conflicting = ("create", "resend")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.BILLING_WRITE,
        "retrieve": Scope.BILLING_READ,
        "resend": Scope.BILLING_WRITE,
        "remove": Scope.BILLING_WRITE,
    }

    @extend_schema(
        parameters=[wire.BillingAddressFilters],
        responses=wire.BillingAddressOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List billing addresses, newest first.

        Removed and declined ones are listed too, unless `removed=false`. Bills go to
        members with the role billing besides.
        """
        filters = self.parse_query(wire.BillingAddressFilters)
        rows = selectors.named_addresses(**filters)
        return self.page(rows, wire.BillingAddressOutput)

    @extend_schema(
        request=wire.BillingAddressCreate,
        responses={201: wire.BillingAddressOutput},
    )
    def create(self, request: Request) -> Response:
        """Name an address; a mail asks there whether bills may come.

        No bill goes there before whoever has it agreed by the link in that mail, within
        seven days. A tenant has five addresses at most. One that declined is not asked
        again for a year.
        """
        values, now = self.parse(wire.BillingAddressCreate), timezone.now()
        tenant = tenant_meant(self.actor, values.pop("tenant", None))
        row = addresses.add_billing_address(tenant=tenant, now=now, **values)
        return self._shown(row.pk, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.BillingAddressOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one billing address, but not the link that asks it.

        `state` tells whether bills go there.
        """
        return self._shown(pk)

    @extend_schema(request=None, responses=wire.BillingAddressOutput)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: int) -> Response:
        """Send another mail that asks; the link before it is dead.

        Not within a minute of the last one, and three times in 30 days at most.
        """
        row = selectors.named_address(pk)
        addresses.ask_again(address=row, now=timezone.now())
        return self._shown(pk)

    @extend_schema(request=None, responses=wire.BillingAddressOutput)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: int) -> Response:
        """Send no more bills to an address.

        Removing twice keeps the first instant.
        """
        row = selectors.named_address(pk)
        addresses.remove_billing_address(address=row, now=timezone.now())
        return self._shown(pk)

    def _shown(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        row = selectors.named_address(pk)
        return Response(wire.BillingAddressOutput(row).data, code)
