"""Plan versions and subscriptions over HTTP: parse, make one call, render.

Failure: the services decide. A published version answers every change with 409.
"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.errors import InvalidRequest, NotFound
from kit.scopes import Scope
from metering.subscriptions import selectors, services
from metering.subscriptions.api import serializers as wire
from metering.subscriptions.api.wanted import (
    component_wanted,
    discount_wanted,
    terms_wanted,
)
from metering.subscriptions.models import PlanVersion, Subscription
from metering.usage.epochs import database_now


class PlanVersionViewSet(ManagementViewSet):
    """What plans cost."""

    noun = "plan_version"
    conflicting = (
        "partial_update",
        "set_components",
        "set_discounts",
        "publish",
        "migrate",
    )
    locks = PlanVersion
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "set_components": Scope.OPERATE_WRITE,
        "set_discounts": Scope.OPERATE_WRITE,
        "publish": Scope.OPERATE_WRITE,
        "migrate": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.PlanVersionFilters],
        responses=wire.PlanVersionOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List plan versions, each plan's newest first.

        A newer version moves nobody: who subscribed to an older one keeps it.
        """
        rows = selectors.plan_versions(**self.parse_query(wire.PlanVersionFilters))
        rows = rows.prefetch_related(*selectors.PARTS)
        return self.page(rows, wire.PlanVersionOutput)

    @extend_schema(
        request=wire.PlanVersionInput, responses={201: wire.PlanVersionOutput}
    )
    def create(self, request: Request) -> Response:
        """Draft the next version of a plan.

        Its components and discounts are set next; nobody can hold it until it is
        published.
        """
        wanted = self.parse(wire.PlanVersionInput)
        row = services.draft_plan_version(
            plan=wanted.pop("plan"),
            currency=wanted["currency"],
            **terms_wanted(wanted, wanted.pop("currency")),
        )
        return Response(_shown(row.pk), status.HTTP_201_CREATED)

    @extend_schema(responses=wire.PlanVersionOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a plan version with its components and discounts.

        What is published never changes.
        """
        return Response(_shown(pk))

    @extend_schema(request=wire.PlanVersionChanges, responses=wire.PlanVersionOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change what a draft says of fee and commitment.

        Fields that are left out stay as they are.
        """
        row = selectors.plan_version(pk)
        wanted = self.parse(wire.PlanVersionChanges)
        services.change_plan_version(version=row, **terms_wanted(wanted, row.currency))
        return Response(_shown(pk))

    @extend_schema(
        operation_id="set_components",
        request=wire.PlanComponentsInput,
        responses=wire.PlanVersionOutput,
    )
    @action(detail=True, methods=["put"], url_path="components")
    def set_components(self, request: Request, pk: int) -> Response:
        """Set all components of a draft, all or none.

        One that counts tokens is charged in place of their linear price. No two may
        count the same use.
        """
        row = selectors.plan_version(pk)
        wanted = self.parse(wire.PlanComponentsInput)["components"]
        services.set_components(
            version=row, components=[component_wanted(each) for each in wanted]
        )
        return Response(_shown(pk))

    @extend_schema(
        operation_id="set_discounts",
        request=wire.PlanDiscountsInput,
        responses=wire.PlanVersionOutput,
    )
    @action(detail=True, methods=["put"], url_path="discounts")
    def set_discounts(self, request: Request, pk: int) -> Response:
        """Set all discounts of a draft, in the order in which they are taken.

        Each takes from what those before it have left.
        """
        row = selectors.plan_version(pk)
        wanted = self.parse(wire.PlanDiscountsInput)["discounts"]
        services.set_discounts(
            version=row,
            discounts=[
                discount_wanted(each, row.currency, f"discounts[{number}].amount")
                for number, each in enumerate(wanted)
            ],
        )
        return Response(_shown(pk))

    @extend_schema(request=None, responses=wire.PlanVersionOutput)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: int) -> Response:
        """Publish a draft, for good.

        From then on tenants can subscribe to it. Publishing twice changes nothing.
        """
        row = selectors.plan_version(pk)
        services.publish_plan_version(version=row, now=database_now())
        return Response(_shown(pk))

    @extend_schema(request=wire.PlanMigrationInput, responses=wire.PlanMigratedOutput)
    @action(detail=True, methods=["post"])
    def migrate(self, request: Request, pk: int) -> Response:
        """Let those who hold this version go over to another with their next period.

        Who has agreed an end is left alone. At most 200 are moved by one call.
        """
        source = selectors.plan_version(pk)
        target = _named(self.parse(wire.PlanMigrationInput)["target"], "target")
        done = services.migrate_subscriptions(
            source=source, target=target, now=database_now()
        )
        return Response(
            {
                "moved": done.moved,
                "refused": [
                    {"tenant": slug, "reason": reason}
                    for slug, reason in sorted(done.refused.items())
                ],
                "left": done.left,
            }
        )


class SubscriptionViewSet(ManagementViewSet):
    """Who holds which plan version."""

    noun = "subscription"
    conflicting = ("create", "change", "end")
    locks = Subscription
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
        "change": Scope.OPERATE_WRITE,
        "end": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.SubscriptionFilters],
        responses=wire.SubscriptionOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List subscriptions, the latest first.

        One whose days are none, `ends_on` being `starts_on`, was ended before it began.
        """
        wanted = self.parse_query(wire.SubscriptionFilters)
        rows = selectors.subscriptions(tenant=wanted.get("tenant"))
        if "plan_version" in wanted:
            rows = rows.filter(version_id=wanted["plan_version"])
        return self.page(rows, wire.SubscriptionOutput)

    @extend_schema(
        request=wire.SubscriptionInput, responses={201: wire.SubscriptionOutput}
    )
    def create(self, request: Request) -> Response:
        """Subscribe a tenant to a published plan version.

        It is charged from its first day on, by the days of each period. A tenant holds
        one version at a time, and pays by invoice.
        """
        wanted = self.parse(wire.SubscriptionInput)
        row = services.subscribe(
            tenant=wanted["tenant"],
            version=_named(wanted["plan_version"], "plan_version"),
            starts_on=wanted.get("starts_on"),
            ends_on=wanted.get("ends_on"),
            now=database_now(),
        )
        return Response(wire.SubscriptionOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.SubscriptionOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a subscription.

        What it costs is what its plan version says.
        """
        return Response(wire.SubscriptionOutput(selectors.subscription(pk)).data)

    @extend_schema(request=wire.SubscriptionChange, responses=wire.SubscriptionOutput)
    @action(detail=True, methods=["post"])
    def change(self, request: Request, pk: int) -> Response:
        """Let a tenant go over to another version, on a date or with its next period.

        This subscription ends on that day; the answer is the new one. Each is due by
        its days.
        """
        subscription = selectors.subscription(pk)
        wanted = self.parse(wire.SubscriptionChange)
        row = services.change_subscription(
            subscription=subscription,
            version=_named(wanted["plan_version"], "plan_version"),
            starts_on=wanted.get("starts_on"),
            now=database_now(),
        )
        return Response(wire.SubscriptionOutput(row).data)

    @extend_schema(request=wire.SubscriptionEnd, responses=wire.SubscriptionOutput)
    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: int) -> Response:
        """End a subscription, on a date or with the running period.

        Its last invoice is that of the period in which it ends. An end can be moved
        earlier, not later.
        """
        row = services.end_subscription(
            subscription=selectors.subscription(pk),
            now=database_now(),
            **self.parse(wire.SubscriptionEnd),
        )
        return Response(wire.SubscriptionOutput(row).data)


def _shown(pk: int) -> Any:
    return wire.PlanVersionOutput(selectors.plan_version(pk)).data


def _named(pk: int, field: str) -> PlanVersion:
    try:
        return selectors.plan_version(pk)
    except NotFound as missing:
        raise InvalidRequest(missing.message, param=field) from None
