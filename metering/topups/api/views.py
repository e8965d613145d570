"""Top-ups over HTTP: parse, make one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.money import picos_from_minor
from kit.scopes import Scope
from metering.topups import selectors, services
from metering.topups.api import serializers as wire
from metering.usage.selectors import database_now


class TopUpViewSet(ManagementViewSet):
    """Credit that tenants buy."""

    noun = "top_up"
    conflicting = ("create", "cancel")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
        "cancel": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.TopUpFilters], responses=wire.TopUpOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List top-ups, newest first."""
        filters = self.parse_query(wire.TopUpFilters)
        return self.page(selectors.top_ups(**filters), wire.TopUpOutput)

    @extend_schema(request=wire.TopUpInput, responses={201: wire.TopUpOutput})
    def create(self, request: Request) -> Response:
        """Ask for a top-up.

        Its invoice is drafted within a minute, and its credit granted as that is paid.
        Where a provider takes payments, the default payment method pays first, and the
        invoice comes with the credit; without such a method it waits, and its
        `problem` says so. A tenant has one open at a time.
        """
        row = services.ask_top_up(now=database_now(), **self.parse(wire.TopUpInput))
        return Response(wire.TopUpOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.TopUpOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a top-up, and how far it has come."""
        return Response(wire.TopUpOutput(selectors.top_up(pk)).data)

    @extend_schema(request=None, responses=wire.TopUpOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Give up a top-up that is not invoiced yet.

        One that is invoiced ends as its invoice is credited.
        """
        row = services.cancel_top_up(top_up=selectors.top_up(pk), now=database_now())
        return Response(wire.TopUpOutput(row).data)


class TopUpRuleViewSet(ManagementViewSet):
    """When tenants' credit is topped up by itself."""

    noun = "top_up_rule"
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
    }

    @extend_schema(parameters=[wire.RuleFilters], responses=wire.RuleOutput(many=True))
    def list(self, request: Request) -> Response:
        """List the rules that ask for top-ups, newest first."""
        filters = self.parse_query(wire.RuleFilters)
        return self.page(selectors.rules(**filters), wire.RuleOutput)

    @extend_schema(request=wire.RuleInput, responses={201: wire.RuleOutput})
    def create(self, request: Request) -> Response:
        """Say when a tenant's credit is topped up by itself, and by how much.

        A tenant has one rule, which this replaces; it asks while its tenant is prepaid
        and active. What it has asked for already stays.
        """
        terms = self.parse(wire.RuleInput)
        threshold = terms.pop("threshold_minor")
        picos = picos_from_minor(threshold, terms["tenant"].currency)
        row = services.set_rule(threshold_picos=picos, **terms)
        return Response(wire.RuleOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.RuleOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show the rule of a tenant."""
        return Response(wire.RuleOutput(selectors.rule(pk)).data)
