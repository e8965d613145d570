"""Operators' pages of credit that takes two people: ask for it, approve or decline it.

Failure: what the service refuses is said on the page, and nothing is granted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse

from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label
from kit.money import format_picos
from metering.ledger import requesting
from metering.ledger.credit_admin import GrantForm
from metering.ledger.request_models import GrantRequest
from metering.ledger.wallets import wallet
from metering.usage.selectors import database_now
from tenants.models import Tenant


class _RequestForm(GrantForm):
    class Meta(GrantForm.Meta):
        model = GrantRequest  # type: ignore[assignment]


class _DecideForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what the tenant would have, and who asked."""
        row = GrantRequest.objects.get(pk=object_id)
        tenant = Tenant.objects.get(pk=row.tenant_id)
        has = wallet(tenant=tenant, now=database_now()).available
        return (
            f"{tenant}: {_money(row, row.amount_picos)} for {row.reference}, asked for"
            f" by account {row.asked_by_id}. Available now: {_money(row, has)}; with"
            f" it: {_money(row, has + row.amount_picos)}."
        )


@admin.register(GrantRequest)
class GrantRequestAdmin(ServiceAdmin):
    """Credit to approve."""

    form = _RequestForm
    list_display = ("tenant_name", "source", "amount", "status", "asked_at")
    sortable_by = ()
    list_filter = ("state",)
    search_fields = ("reference",)
    search_help_text = "Reference, id"
    empty_says = "Credit above the limit of one person is asked for here."
    ordering = ("-id",)
    actions_detail = ("approve", "decline")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GrantRequest]:
        """Read the slug along with each request."""
        rows: QuerySet[GrantRequest] = super().get_queryset(request)
        owner = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("slug")
        return rows.annotate(tenant_slug=Subquery(owner))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what the grant would say; show all there is of a request."""
        terms: Sequence[Any] = ("reference", ("priority", "expires_at"))
        if obj is None:
            return (("tenant", "source"), "amount", *terms)
        decided = (("asked_by_id", "asked_at"), ("decided_by_id", "decided_at"))
        return (("tenant_name", "source"), ("amount", "state"), *terms, *decided)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let everything be said once."""
        if obj is None:
            return ()
        return (
            *("tenant_name", "source", "amount", "state", "reference", "priority"),
            *("expires_at", "asked_by_id", "asked_at", "decided_by_id", "decided_at"),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer a decision while there is one to make."""
        row = self.get_object(request, str(object_id))
        if row is None or row.state != GrantRequest.State.WAITING:
            return []
        return super().get_actions_detail(request, object_id)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was asked for is decided, and not changed."""
        return False

    def has_approve_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those decide who may approve."""
        return request.user.has_perm(requesting.APPROVE)

    @admin.display(description="tenant")
    def tenant_name(self, row: Any) -> str:
        """Show the tenant's slug."""
        return str(row.tenant_slug)

    @admin.display(description="amount")
    def amount(self, row: GrantRequest) -> str:
        """Show what is asked for."""
        return _money(row, row.amount_picos)

    @state_label(
        ordering="state", waiting="warning", approved="success", declined="danger"
    )
    def status(self, row: GrantRequest) -> str:
        """Show the state as a label."""
        return row.state

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> GrantRequest:
        """Ask for the credit."""
        terms: Any = dict(values)
        terms["amount_picos"] = terms.pop("amount")
        return requesting.ask_grant(
            asked_by_id=request.user.pk or 0, now=database_now(), **terms
        )

    @confirmed_action(
        label="Approve",
        explanation="The credit is granted and holds at once on every gateway.",
        icon="check",
        form=_DecideForm,
        permission="approve",
    )
    def approve(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Grant it."""
        by: Any = request.user
        return self.act(
            request,
            object_id,
            lambda row: requesting.approve_grant(
                request=row, by=by, now=database_now()
            ),
            done="Approved and granted.",
        )

    @confirmed_action(
        label="Decline",
        explanation="Nothing is granted. It can be asked for anew.",
        icon="close",
        is_danger=True,
        form=_DecideForm,
        permission="approve",
    )
    def decline(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Grant nothing."""
        by: Any = request.user
        return self.act(
            request,
            object_id,
            lambda row: requesting.decline_grant(
                request=row, by=by, now=database_now()
            ),
            done="Declined.",
        )


def _money(row: GrantRequest, picos: int) -> str:
    return f"{format_picos(picos)} {row.currency}"
