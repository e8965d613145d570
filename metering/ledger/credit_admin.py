"""Operators' pages of credit: grant it, take it back, end it, see what is left.

What a grant says is given once. Failure: what the service refuses is said on the page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label
from kit.money import format_picos
from metering.ledger import selectors, services
from metering.ledger.models import CreditGrant
from metering.ledger.references import require_theirs, require_unsold
from metering.ledger.requesting import require_one
from metering.usage.selectors import database_now
from tenants.admin.limit_forms import AmountField
from tenants.models import Tenant

_AMOUNTS = ("amount", "left", "burned", "expired", "taken_back")


class GrantForm(forms.ModelForm):  # type: ignore[type-arg]
    """New credit: whose it is by the tenant's slug, in the currency it pays in."""

    tenant = forms.ModelChoiceField(
        queryset=Tenant.objects.all(),
        to_field_name="slug",
        widget=UnfoldAdminTextInputWidget,
        help_text="The tenant's slug.",
        error_messages={"invalid_choice": "There is no such tenant."},
    )
    amount = AmountField(help_text="In units of the tenant's currency, such as 250.00.")

    class Meta:
        model = CreditGrant
        fields = ("source", "reference", "priority", "expires_at")


class _ReverseForm(Confirmation):
    """How much is taken back, and why."""

    amount = AmountField(help_text="In units of the currency, such as 250.00.")
    reversal = forms.ChoiceField(
        label="Why",
        choices=[each for each in CreditGrant.Reversal.choices if each[0]],
        widget=UnfoldAdminSelectWidget,
    )

    def consequence(self, object_id: str) -> str:
        """Say what there is to take back."""
        row = selectors.credit_grant(int(object_id))
        kept = row.amount_picos - row.expired_picos - row.reversed_picos
        return (
            f"A refund takes at most {_money(row, _left(row))}, which is left; a charge"
            f" back or a mistake at most {_money(row, kept)}."
        )


class _EndForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what will be gone."""
        row = selectors.credit_grant(int(object_id))
        return f"What is left and expires now: {_money(row, _left(row))}."


@admin.register(CreditGrant)
class CreditGrantAdmin(ServiceAdmin):
    """Credit grants."""

    form = GrantForm
    list_display = (
        "tenant_name",
        "source",
        "amount",
        "left",
        "status",
        "expires_at",
        "reference",
    )
    sortable_by = ()
    list_filter = ("source", ("expired_at", admin.EmptyFieldListFilter), "currency")
    search_fields = ("reference",)
    search_help_text = "Tenant's slug or name, reference, id"
    empty_says = "A prepaid tenant calls once it has been granted credit."
    ordering = ("-id",)
    actions_detail = ("reverse", "end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditGrant]:
        """Read the slug, and what is burned up to now, along with each grant."""
        owner = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("slug")
        rows: QuerySet[CreditGrant] = selectors.credit_grants()
        return rows.annotate(tenant_slug=Subquery(owner)).order_by("-id")

    def rows_with(self, word: str) -> Sequence[QuerySet[Any]]:
        """Find the grants of tenants by what these are called."""
        named = Q(slug__icontains=word) | Q(name__icontains=word)
        owners = Tenant.objects.filter(named).order_by()
        rows = CreditGrant.objects.order_by()
        return (rows.filter(tenant_id__in=owners.values("pk")),)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new grant says; show all there is of one."""
        terms = ("reference", ("priority", "expires_at"))
        if obj is None:
            return (("tenant", "source"), "amount", *terms)
        state = ("created_at", "expired_at", "reversal")
        return (("tenant_name", "source"), _AMOUNTS, *terms, state)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let everything be said once."""
        if obj is None:
            return ()
        terms = ("source", "reference", "priority", "expires_at")
        state = ("created_at", "expired_at", "reversal")
        return ("tenant_name", *_AMOUNTS, *terms, *state)

    @admin.display(description="tenant")
    def tenant_name(self, row: Any) -> str:
        """Show the tenant's slug."""
        return str(row.tenant_slug)

    @admin.display(description="granted")
    def amount(self, row: CreditGrant) -> str:
        """Show what was granted."""
        return _money(row, row.amount_picos)

    @admin.display(description="left")
    def left(self, row: CreditGrant) -> str:
        """Show what use may still take."""
        return _money(row, _left(row))

    @admin.display(description="burned")
    def burned(self, row: Any) -> str:
        """Show what use has taken."""
        return _money(row, row.burned_now)

    @admin.display(description="expired")
    def expired(self, row: CreditGrant) -> str:
        """Show what was left when it ended."""
        return _money(row, row.expired_picos)

    @admin.display(description="taken back")
    def taken_back(self, row: CreditGrant) -> str:
        """Show what was reversed."""
        return _money(row, row.reversed_picos)

    @state_label(open="success", ended="warning")
    def status(self, row: CreditGrant) -> str:
        """Show the state as a label."""
        return "open" if row.expired_at is None else "ended"

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> CreditGrant:
        """Grant the credit."""
        terms: Any = dict(values)
        require_theirs(terms["reference"])
        terms["amount_picos"] = terms.pop("amount")
        require_one(terms["amount_picos"], terms["tenant"].currency)
        return services.grant_credit(now=database_now(), **terms)

    def update(self, row: CreditGrant, changes: Mapping[str, Any]) -> CreditGrant:
        """Leave the grant as it is: it says what it said."""
        return row

    @confirmed_action(
        label="Take back",
        explanation="It holds at once on every gateway.",
        icon="undo",
        is_danger=True,
        form=_ReverseForm,
    )
    def reverse(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Take a part of the grant back, or all of it."""
        asked = form.cleaned_data

        def take_back(row: CreditGrant) -> CreditGrant:
            require_unsold(row, asked["reversal"])
            return services.reverse_credit(
                grant=row,
                amount_picos=asked["amount"],
                reversal=asked["reversal"],
                now=database_now(),
            )

        return self.act(request, object_id, take_back, done="Taken back.")

    @confirmed_action(
        label="End",
        explanation="What is left of it expires now, for good.",
        icon="event_busy",
        is_danger=True,
        form=_EndForm,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the grant."""
        return self.act(
            request,
            object_id,
            lambda row: services.end_credit(grant=row, now=database_now()),
            done="Ended.",
        )


def _left(row: Any) -> int:
    if row.expired_at is not None:
        return 0
    left: int = row.amount_picos - row.reversed_picos - row.burned_now
    return left


def _money(row: CreditGrant, picos: int) -> str:
    return f"{format_picos(picos)} {row.currency}"
