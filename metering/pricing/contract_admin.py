"""Operators' pages of contracts: agree on prices with a tenant, sign, end.

A signed contract is only shown: its page has no field to change.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.admin import TabularInline

from kit.admin import (
    Confirmation,
    ReadOnlyInline,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from kit.money import quote_per_million
from metering.pricing import contracts, selectors
from metering.pricing.forms import QUOTED, AgreedForm
from metering.pricing.instants import shown
from metering.pricing.models import Contract, ContractPrice
from metering.usage.epochs import database_now

_COLUMNS = ("model", *QUOTED, "discount_percent")


class _SignForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say who pays what from when on."""
        row = selectors.contract(int(object_id))
        ends = f"until {shown(row.ends_at)}" if row.ends_at else "until it is ended"
        percent = f"{row.discount_percent.normalize():f}"
        return (
            f"'{row.tenant}' pays {row.base} less {percent} %"
            f" from {shown(row.starts_at)} {ends}. Models with terms of their own: "
            f"{row.prices.count()}."
        )


class _EndForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what holds no more."""
        row = selectors.contract(int(object_id))
        if row.signed_at is None:
            return f"The draft '{row}' of '{row.tenant}' is discarded."
        return f"'{row.tenant}' pays by no contract from now on."


class _DraftPrices(TabularInline):  # type: ignore[misc]
    """What a draft says of single models."""

    model = ContractPrice
    form = AgreedForm
    fields = _COLUMNS
    extra = 1
    hide_title = True
    verbose_name_plural = "models with terms of their own"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow whoever may change the contract."""
        return request.user.has_perm("pricing.change_contract")

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


class _SignedPrices(ReadOnlyInline):
    """What a signed contract says of single models."""

    model = ContractPrice
    fields = _COLUMNS
    readonly_fields = fields
    show_change_link = False
    hide_title = True
    tab = False
    verbose_name_plural = "models with terms of their own"

    @admin.display(description="input per million")
    def input_per_million(self, row: ContractPrice) -> str:
        """Show the quote."""
        return _quote(row.input_picos)

    @admin.display(description="cached input per million")
    def cached_input_per_million(self, row: ContractPrice) -> str:
        """Show the quote."""
        return _quote(row.cached_input_picos)

    @admin.display(description="output per million")
    def output_per_million(self, row: ContractPrice) -> str:
        """Show the quote."""
        return _quote(row.output_picos)


@admin.register(Contract)
class ContractAdmin(ServiceAdmin):
    """Contracts: draft one, say its prices, sign it, end it."""

    list_display = ("name", "tenant", "base", "status", "starts_at", "ends_at")
    list_filter = ("base", ("signed_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant", "base")
    search_fields = ("name", "tenant__slug", "tenant__name")
    search_help_text = "Name, tenant, id"
    empty_says = "Every tenant pays by a price book as it is."
    autocomplete_fields = ("tenant", "base")
    fixed_fields = ("tenant", "base")
    readonly_fields = ("signed_at", "ended_at")
    ordering = ("-id",)
    actions_detail = ("sign", "end")

    @state_label(draft="warning", signed="success", ended="info")
    def status(self, row: Contract) -> str:
        """Show the state as a label."""
        return row.state

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show what became of it once there is something."""
        terms = ("name", ("tenant", "base"), ("starts_at", "ends_at"))
        rest = () if obj is None else (("signed_at", "ended_at"),)
        return (*terms, "discount_percent", *rest)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show prices to be changed in a draft, to be read when signed."""
        if obj is None:
            return ()
        return (_DraftPrices,) if obj.state == "draft" else (_SignedPrices,)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to change what is no draft."""
        # Actions ask with an id in the object's place; their service refuses by itself.
        if isinstance(obj, Contract) and obj.state != "draft":
            return False
        return bool(super().has_change_permission(request, obj))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer what may still be done: nothing once it has ended."""
        row = self.get_object(request, str(object_id))
        if row is None or row.state == "ended":
            return []
        offered = super().get_actions_detail(request, object_id)
        if row.state == "draft":
            return offered
        return [each for each in offered if "sign" not in each.action_name]

    def held_with(self, row: Contract) -> Mapping[str, str]:
        """Hold an edit against the draft's prices too: they are on the same page."""
        return {
            f"the terms of {price.model}": ", ".join(
                str(getattr(price, name))
                for name in (*QUOTED.values(), "discount_percent")
            )
            for price in row.prices.all()
        }

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Contract:
        """Draft a contract."""
        return contracts.create_contract(**values)

    def update(self, row: Contract, changes: Mapping[str, Any]) -> Contract:
        """Change a draft."""
        if not changes:
            return row
        return contracts.update_contract(contract=row, **changes)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        """Say by the service what the draft has for which models."""
        formset.new_objects, formset.changed_objects = [], []
        formset.deleted_objects = []
        gone = set(formset.deleted_forms)
        kept = [
            row
            for row in formset.forms
            if row not in gone and (row.instance.pk or row.has_changed())
        ]
        contracts.set_contract_prices(
            contract=form.instance, prices=[row.agreed() for row in kept]
        )

    @confirmed_action(
        label="Sign",
        explanation="The contract can never be changed after this, only ended.",
        icon="signature",
        is_danger=True,
        form=_SignForm,
    )
    def sign(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Sign the contract."""
        return self.act(
            request,
            object_id,
            lambda row: contracts.sign_contract(contract=row, now=database_now()),
            done="Signed.",
        )

    @confirmed_action(
        label="End now",
        explanation="What was used until now keeps its price.",
        icon="event_busy",
        is_danger=True,
        form=_EndForm,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the contract, or discard the draft."""
        return self.act(
            request,
            object_id,
            lambda row: contracts.end_contract(contract=row, now=database_now()),
            done="Ended.",
        )


def _quote(picos: int | None) -> str:
    return "-" if picos is None else quote_per_million(picos)
