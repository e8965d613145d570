"""Tenants over HTTP: parse, one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors, services
from tenants.api.serializers import tenants as wire
from tenants.models import Tenant


class TenantViewSet(ManagementViewSet):
    """Who pays."""

    noun = "tenant"
    conflicting = ("create",)
    locks = Tenant
    scopes: ClassVar = {
        "list": Scope.TENANT_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.TENANT_READ,
        "partial_update": Scope.TENANT_WRITE,
        "suspend": Scope.OPERATE_WRITE,
        "restore": Scope.OPERATE_WRITE,
        "set_plan": Scope.OPERATE_WRITE,
        "set_payment_mode": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.TenantFilters], responses=wire.TenantOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List tenants, newest first; a tenant's own token lists that one.

        Suspended ones are listed too. `slug` finds one by its name in addresses,
        `search` by part of its names.
        """
        rows = selectors.tenants(**self.parse_query(wire.TenantFilters))
        return self.page(rows, wire.TenantOutput)

    @extend_schema(request=wire.TenantCreate, responses={201: wire.TenantOutput})
    def create(self, request: Request) -> Response:
        """Create a tenant, with a project named `default`.

        Its slug and its currency are for good: invoices name them. It can call once it
        has an API key and a price book of its currency is in force.
        """
        row = services.create_tenant(**self.parse(wire.TenantCreate))
        return Response(wire.TenantOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.TenantOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one tenant.

        Its `state` tells whether it may call.
        """
        return Response(wire.TenantOutput(selectors.tenant(pk)).data)

    @extend_schema(request=wire.TenantUpdate, responses=wire.TenantOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a tenant's name, billing address, zone or its periods' first day.

        Fields that are left out stay as they are. Billing days that are already laid
        out keep their instants: a new zone or day takes effect with the next period.
        """
        row = services.update_tenant(
            tenant=selectors.tenant(pk), **self.parse(wire.TenantUpdate)
        )
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: int) -> Response:
        """Refuse every call of the tenant until it is restored.

        Every gateway knows within a second; running answers end as they will. Usage,
        invoices and keys stay. Suspending twice changes nothing more.
        """
        row = services.suspend_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: int) -> Response:
        """Let a suspended tenant call again.

        Its keys open the door again, but for revoked and expired ones.
        """
        row = services.restore_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=wire.TenantPlan, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"], url_path="set-plan")
    def set_plan(self, request: Request, pk: int) -> Response:
        """Put a tenant on a plan, or back on the default one.

        The plan's limits hold at once wherever the tenant has none of its own.
        """
        tenant = selectors.tenant(pk)
        plan = self.parse(wire.TenantPlan)["plan"]
        if plan is None:
            services.clear_plan(tenant=tenant)
        else:
            services.set_plan(tenant=tenant, plan=plan)
        return Response(wire.TenantOutput(selectors.tenant(pk)).data)

    @extend_schema(request=wire.TenantPaymentMode, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"], url_path="set-payment-mode")
    def set_payment_mode(self, request: Request, pk: int) -> Response:
        """Let a tenant pay from credit before use, or by invoice after it.

        What was used until now is not paid from credit: only use from now on burns it.
        A prepaid tenant without credit is refused with `insufficient_quota`.
        """
        row = services.set_payment_mode(
            tenant=selectors.tenant(pk), **self.parse(wire.TenantPaymentMode)
        )
        return Response(wire.TenantOutput(row).data)
