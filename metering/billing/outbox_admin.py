"""Operators' pages of what providers are asked: each call, and who tenants are there.

The product writes the calls. A person lets one go on that was refused, once the cause
is mended; that is audited.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.timesince import timesince

from kit.admin import (
    BulkAction,
    Consequences,
    ReadOnlyAdmin,
    confirmed_action,
    state_label,
)
from metering.billing import outbox
from metering.billing.models import ProviderCustomer, ProviderOperation

State = ProviderOperation.State
_WAITING = (State.FAILED, State.PARKED)


class LetGoOn(BulkAction):
    """Let the chosen calls be made again."""

    name = "let_go_on"
    label = "Let go on"
    explanation = "They are made again at once, each under a new key."
    done = "Let go on."
    permission = "let_go_on"

    def consequences(
        self, rows: Sequence[ProviderOperation], *, now: dt.datetime
    ) -> Consequences:
        """Count those that nobody makes any more by themselves."""
        parked = sum(row.state == State.PARKED for row in rows)
        return Consequences(lines=(f"Calls that were parked: {parked:,}.",))

    def is_done(self, row: ProviderOperation) -> bool:
        """Leave those that wait for nobody."""
        return row.state not in _WAITING or not row.refusals

    def do(self, row: ProviderOperation, *, now: dt.datetime) -> ProviderOperation:
        """Let one go on."""
        return outbox.let_go_on(operation=row)


class _Undone(admin.SimpleListFilter):
    title = "whether it is done"
    parameter_name = "undone"

    def lookups(self, request: HttpRequest, _: Any) -> list[tuple[str, str]]:
        """Offer the calls that are still to be done."""
        return [("yes", "Still to be done")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ProviderOperation]
    ) -> QuerySet[ProviderOperation]:
        """Leave the others out."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=outbox.undone().values("pk"))


@admin.register(ProviderOperation)
class ProviderOperationAdmin(ReadOnlyAdmin):
    """Calls to billing providers, and what became of each."""

    list_display = (
        "name",
        "status",
        "age",
        "provider",
        "account",
        "tenant",
        "invoice",
        "attempt",
        "error",
    )
    list_filter = ("state", _Undone, "provider", "account", "name")
    list_select_related = ("tenant", "invoice")
    list_before_template = "billing/backlog.html"
    search_fields = ("subject", "reference", "tenant__slug", "error")
    search_help_text = "Subject, reference, tenant, error, id"
    empty_says = "No call to a billing provider has been made or is due."
    fields = (
        ("name", "status"),
        ("provider", "account"),
        ("tenant", "invoice"),
        ("subject", "reference"),
        ("attempt", "refusals", "key"),
        "error",
        ("created_at", "age", "finished_at"),
    )
    readonly_fields = ("status", "key", "age", "created_at")
    bulk_actions = (LetGoOn(),)
    actions_detail = ("let_go_on",)

    @state_label(
        ordering="state",
        intent="warning",
        succeeded="success",
        failed="warning",
        unknown="warning",
        parked="danger",
        dropped="info",
    )
    def status(self, row: ProviderOperation) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="age", ordering="created_at")
    def age(self, row: ProviderOperation) -> str:
        """Show how long ago the call was decided on."""
        return timesince(row.created_at, timezone.now())

    @admin.display(description="idempotency key")
    def key(self, row: ProviderOperation) -> str:
        """Show what the provider knows the attempt by."""
        return row.idempotency_key

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the list, with what is to be done above it."""
        found = outbox.backlog()
        more = {"backlog": found, "backlog_age": ""}
        if found.oldest_at is not None:
            more["backlog_age"] = timesince(found.oldest_at, timezone.now())
        context = {**(kwargs.pop("extra_context", None) or {}), **more}
        return super().changelist_view(request, *args, extra_context=context, **kwargs)

    def has_let_go_on_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those do it who may change calls."""
        return request.user.has_perm("billing.change_provideroperation")

    @confirmed_action(
        label="Let go on",
        explanation="Mend what it was refused for first. It is made again at once.",
        icon="play_arrow",
        permission="let_go_on",
    )
    def let_go_on(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Let the call be made again."""
        return self.act(
            request,
            object_id,
            lambda row: outbox.let_go_on(operation=row),
            done="Let go on.",
        )


@admin.register(ProviderCustomer)
class ProviderCustomerAdmin(ReadOnlyAdmin):
    """Which customer of a provider's account is which tenant."""

    list_display = ("tenant", "provider", "account", "reference", "tax_id_problem")
    list_filter = (
        "provider",
        "account",
        ("tax_id_problem", admin.EmptyFieldListFilter),
    )
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name", "reference")
    search_help_text = "Tenant, reference, id"
    empty_says = "A tenant becomes a provider's customer with its first invoice there."
