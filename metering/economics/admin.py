"""Operators' pages of economics: what replicas cost, and when each was there.

And what accounts are called in other books.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from kit.admin import ReadOnlyAdmin, ServiceAdmin
from kit.money import AmountFormatError, format_picos, picos_from_decimal
from metering.economics import services
from metering.economics.code_models import AccountCode
from metering.economics.models import CostRate, ReplicaSpan


class _RateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new rate; its amount is said in units of the currency."""

    amount = forms.CharField(
        required=False,
        max_length=30,
        widget=UnfoldAdminTextInputWidget,
        help_text=(
            "What an hour of one replica costs, such as 2.49; empty to end the rate"
            " before it."
        ),
    )

    class Meta:
        model = CostRate
        fields = (
            "level",
            "subject",
            "starts_on",
            "currency",
            "tokens_per_s",
            "input_permille",
            "cached_permille",
            "note",
        )

    def clean_amount(self) -> int | None:
        """Return the amount in picos, None where none was given."""
        text = str(self.cleaned_data["amount"]).strip()
        try:
            return picos_from_decimal(text) if text else None
        except AmountFormatError as refused:
            raise forms.ValidationError(str(refused)) from None


@admin.register(CostRate)
class CostRateAdmin(ServiceAdmin):
    """Cost rates: entered once, ended by the next."""

    form = _RateForm
    list_display = (
        "starts_on",
        "level",
        "subject",
        "amount_per_hour",
        "currency",
        "tokens_per_s",
        "note",
    )
    list_filter = ("level", "currency")
    search_fields = ("subject", "note")
    search_help_text = "Subject, note, id"
    empty_says = "No replica costs anything before a rate is entered."
    ordering = ("-id",)
    fields = (
        ("level", "subject"),
        ("starts_on", "currency"),
        "amount_per_hour",
        ("tokens_per_s", "input_permille", "cached_permille"),
        "note",
        "created_at",
    )
    readonly_fields = ("amount_per_hour", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: another amount is another row."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for the amount as people write it."""
        if obj is not None:
            return self.fields
        asked = self.fields[:-1]
        return tuple("amount" if it == "amount_per_hour" else it for it in asked)

    @admin.display(description="an hour", ordering="picos_per_hour")
    def amount_per_hour(self, row: CostRate) -> str:
        """Show what an hour costs."""
        if row.picos_per_hour is None:
            return "none from then on"
        return f"{format_picos(row.picos_per_hour)} {row.currency}"

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> CostRate:
        """Enter the rate."""
        terms: Any = dict(values)
        terms["picos_per_hour"] = terms.pop("amount")
        return services.add_rate(**terms)


@admin.register(ReplicaSpan)
class ReplicaSpanAdmin(ReadOnlyAdmin):
    """Times that replicas were there."""

    list_display = ("name", "model", "engine", "starts_at", "until", "is_open")
    list_filter = ("is_open", "engine")
    search_fields = ("name", "model")
    search_help_text = "Replica, served model, id"
    empty_says = "Replicas are noted here each minute while they are there."
    ordering = ("-id",)
    fields = (
        ("name", "replica_id"),
        ("model", "engine"),
        "answers_to",
        ("starts_at", "until", "is_open"),
    )


@admin.register(AccountCode)
class AccountCodeAdmin(ServiceAdmin):
    """What accounts of the ledger are in an ERP's chart of accounts."""

    list_display = ("account", "code", "name")
    search_fields = ("account", "code", "name")
    search_help_text = "Account, code, name"
    empty_says = "Journals name accounts as the ledger does until codes are entered."
    ordering = ("account",)
    fields = (("account", "code"), "name")
    fixed_fields = ("account",)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> AccountCode:
        """Enter a code."""
        return services.add_account_code(**values)

    def update(self, row: AccountCode, changes: Mapping[str, Any]) -> AccountCode:
        """Change it."""
        return services.change_account_code(row=row, **changes)
