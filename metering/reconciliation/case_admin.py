"""Operators' page of cases: who looks after which, for how long, and why it is so.

A case is opened, refreshed and resolved by runs alone. People take it, and explain it:
then nobody is told of it any more until it has doubled.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import ForeignKey
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timesince import timesince
from unfold.widgets import UnfoldAdminTextareaWidget

from kit.admin import Confirmation, ServiceAdmin, confirmed_action, state_label
from metering.reconciliation import attending, selectors
from metering.reconciliation.cases import GROWTH_FACTOR
from metering.reconciliation.listing import where_to_look
from metering.reconciliation.models import Case
from metering.usage.selectors import database_now


class _ExplainForm(Confirmation):
    """Why a case is as it is."""

    note = forms.CharField(
        label="Why", max_length=1000, widget=UnfoldAdminTextareaWidget
    )

    def consequence(self, object_id: str) -> str:
        """Say what the explanation covers, and until when."""
        row = selectors.case(int(object_id))
        alike = selectors.cases(state=Case.State.OPEN, check=row.check_name).count()
        limit = GROWTH_FACTOR * row.amount
        until = f" until it is more than {limit:,}" if limit else ""
        return (
            f"Nobody is told of it any more{until}. Open cases of this check:"
            f" {alike:,}; this explains one."
        )


@admin.register(Case)
class CaseAdmin(ServiceAdmin):
    """Cases: take, hand on, explain."""

    list_display = (
        "check_name",
        "subject",
        "status",
        "apart",
        "age",
        "last_seen_at",
        "owner",
    )
    list_filter = (
        "state",
        "check_name",
        ("owner", admin.EmptyFieldListFilter),
        ("owner", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("owner",)
    search_fields = ("subject", "note")
    search_help_text = "Subject, explanation, id"
    empty_says = "Everything that was checked agrees."
    fields = (
        ("check_name", "status"),
        "proves",
        ("tenant_id", "subject"),
        "expected",
        "found",
        "apart",
        ("first_seen_at", "last_seen_at", "resolved_at"),
        ("last_run", "look"),
        "owner",
        ("note", "explained_at"),
        ("told_at",),
    )
    readonly_fields = (
        "check_name",
        "status",
        "proves",
        "tenant_id",
        "subject",
        "expected",
        "found",
        "apart",
        "first_seen_at",
        "last_seen_at",
        "resolved_at",
        "last_run",
        "look",
        "note",
        "explained_at",
        "told_at",
    )
    ordering = ("-id",)
    actions_detail = ("take", "explain", "reopen")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: runs open cases."""
        return False

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer operators alone as owners."""
        if db_field.name == "owner":
            operators = User.objects.filter(is_staff=True, is_active=True)
            kwargs["queryset"] = operators.order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @state_label(ordering="state", open="danger", explained="info", resolved="success")
    def status(self, row: Case) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="apart", ordering="amount")
    def apart(self, row: Case) -> str:
        """Show how far the two records are apart."""
        return f"{row.amount:,}" if row.amount else "-"

    @admin.display(description="age", ordering="first_seen_at")
    def age(self, row: Case) -> str:
        """Show for how long it has been there."""
        return timesince(row.first_seen_at)

    @admin.display(description="proves")
    def proves(self, row: Case) -> str:
        """Show the invariant that does not hold."""
        return selectors.proves(row.check_name)

    @admin.display(description="last found by")
    def last_run(self, row: Case) -> str:
        """Link to the last run that found it."""
        if row.run_id is None:
            return "-"
        address = reverse("admin:reconciliation_run_change", args=(row.run_id,))
        return format_html('<a class="underline" href="{}">{}</a>', address, row.run)

    @admin.display(description="where to look")
    def look(self, row: Case) -> str:
        """Link to the pages of what the check is about."""
        return where_to_look(row.check_name)

    def update(self, row: Case, changes: Mapping[str, Any]) -> Case:
        """Hand the case on."""
        if "owner" not in changes:
            return row
        return attending.take_case(case=row, owner=changes["owner"])

    @confirmed_action(
        label="Take",
        explanation="You look after it from now on; its state stays as it is.",
        icon="pan_tool",
    )
    def take(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Take the case."""
        operator = selectors.operator_of(request.user.pk or 0)
        return self.act(
            request,
            object_id,
            lambda row: attending.take_case(case=row, owner=operator),
            done="Taken.",
        )

    @confirmed_action(
        label="Explain",
        explanation="Say why it is so, for those who come later.",
        icon="lightbulb",
        form=_ExplainForm,
    )
    def explain(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Explain the case."""
        note = form.cleaned_data["note"]
        return self.act(
            request,
            object_id,
            lambda row: attending.explain_case(case=row, note=note, now=database_now()),
            done="Explained.",
        )

    @confirmed_action(
        label="Reopen",
        explanation="The explanation does not hold: operators are told when it grows.",
        icon="undo",
    )
    def reopen(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Open the case again."""
        return self.act(
            request,
            object_id,
            lambda row: attending.reopen_case(case=row),
            done="Reopened.",
        )
