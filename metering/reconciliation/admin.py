"""Operators' pages of reconciliation: runs, asked for or nightly, and what they found.

Nothing is mended here. A difference says which check found it and where to look; the
next run says whether it is gone.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince

from kit.admin import ReadOnlyAdmin, ReadOnlyInline, ServiceAdmin, state_label
from kit.money import format_picos
from metering.reconciliation import asking, selectors
from metering.reconciliation.case_admin import CaseAdmin
from metering.reconciliation.listing import listed, where_to_look
from metering.reconciliation.models import Difference, Run
from metering.reconciliation.proof_admin import EngineProcessAdmin, EpochProofAdmin
from metering.usage.selectors import database_now

# Those of other modules are named here, where Django looks for pages.
__all__ = [
    "CaseAdmin",
    "DifferenceAdmin",
    "EngineProcessAdmin",
    "EpochProofAdmin",
    "RunAdmin",
]

_LOST = "lost"


class _DifferenceInline(ReadOnlyInline):
    model = Difference
    fields = ("check_name", "tenant_id", "subject", "expected", "found", "look")
    readonly_fields = fields
    ordering = ("id",)
    show_change_link = False
    hide_title = True
    tab = False
    per_page = 100

    @admin.display(description="where to look")
    def look(self, row: Difference) -> str:
        """Link to the pages of what the check is about."""
        return where_to_look(row.check_name)


@admin.register(Run)
class RunAdmin(ServiceAdmin):
    """Runs: whether they agreed, how old they are, and what they found.

    To add one is to ask for it: a worker makes it.
    """

    list_display = (
        "kind",
        "status",
        "differing",
        "age",
        "window",
        "rows_seen",
        "problem",
    )
    list_filter = ("kind", "state")
    empty_says = "The books are checked each night, and when `reconcile` is run."
    fields = (
        ("kind", "state"),
        ("window", "tenant_id"),
        ("started_at", "finished_at"),
        ("rows_seen", "differing"),
        "problem",
        "tokens_counted",
        "chain",
        "checks_made",
        "epochs",
    )
    readonly_fields = (
        "state",
        "window",
        "tenant_id",
        "started_at",
        "finished_at",
        "rows_seen",
        "differing",
        "problem",
        "tokens_counted",
        "chain",
        "checks_made",
        "epochs",
    )
    ordering = ("-id",)
    inlines = (_DifferenceInline,)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what was found stays found."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for the kind alone of a run that is wanted."""
        return self.fields if obj else ("kind",)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what was found once there is a run."""
        return self.inlines if obj else ()

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Run:
        """Ask for a run; one that waits already is the answer."""
        return asking.ask_for_run(kind=values["kind"], now=database_now())

    @state_label(
        ordering="state",
        agrees="success",
        differs="danger",
        crashed="danger",
        running="info",
        asked="info",
        lost="danger",
    )
    def status(self, row: Run) -> str:
        """Show the state as a label; a run that cannot be running any more is lost."""
        return _LOST if selectors.is_lost(row, now=timezone.now()) else row.state

    @admin.display(description="differences", ordering="difference_count")
    def differing(self, row: Run) -> str:
        """Show how many differences there are, listed or not."""
        return f"{row.difference_count:,}"

    @admin.display(description="age", ordering="started_at")
    def age(self, row: Run) -> str:
        """Show how long ago it looked."""
        return timesince(row.started_at)

    @admin.display(description="billing days")
    def window(self, row: Run) -> str:
        """Show the days, both in it."""
        if row.first_date is None:
            return "all"
        return f"from {row.first_date}" + (
            f" to before {row.end_date}" if row.end_date else ""
        )

    @admin.display(description="chain")
    def chain(self, row: Run) -> str:
        """Show the sum of each step, and what waits for it."""
        return listed((_step(each),) for each in row.steps)

    @admin.display(description="tokens")
    def tokens_counted(self, row: Run) -> str:
        """Show the chain in tokens, from the engines' own counts on."""
        return listed((_tokens(each),) for each in row.tokens or ())

    @admin.display(description="epochs")
    def epochs(self, row: Run) -> str:
        """Link to the proofs of the epochs that no later run has proven since."""
        address = reverse("admin:reconciliation_epochproof_changelist")
        shown = f"{row.proofs.count():,} epochs, last proven by this run"
        return format_html(
            '<a class="underline" href="{}?run__id__exact={}">{}</a>',
            address,
            row.pk,
            shown,
        )

    @admin.display(description="checks")
    def checks_made(self, row: Run) -> str:
        """Show what each check proves, and what it saw."""
        return listed((_check(each),) for each in row.checks)


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    """Every difference that a run listed."""

    list_display = ("check_name", "tenant_id", "subject", "expected", "found", "run")
    list_filter = ("check_name",)
    list_select_related = ("run",)
    search_fields = ("subject", "check_name")
    search_help_text = "Subject, check, id"
    empty_says = "No run has listed a difference."
    fields = (
        ("check_name", "run"),
        "proves",
        ("tenant_id", "subject"),
        ("expected", "found"),
        "look",
    )
    readonly_fields = ("proves", "look")
    ordering = ("-id",)

    @admin.display(description="proves")
    def proves(self, row: Difference) -> str:
        """Show the invariant that does not hold."""
        return selectors.proves(row.check_name)

    @admin.display(description="where to look")
    def look(self, row: Difference) -> str:
        """Link to the pages of what the check is about."""
        return where_to_look(row.check_name)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Keep it off the index: differences are met on the page of their run."""
        return False


def _step(step: dict[str, Any]) -> str:
    charge = format_picos(int(step["charge_picos"]))
    said = f"{step['name']}: {charge} {step['currency']}, {step['rows']:,} rows"
    if int(step["differs_picos"]):
        said += f"; differs by {format_picos(int(step['differs_picos']))}"
    if step["waits"]:
        waiting = format_picos(int(step["waits_picos"]))
        said += f"; not yet: {step['waits']:,} ({step['waits_as']}), {waiting}"
    return said


def _tokens(step: dict[str, Any]) -> str:
    said = (
        f"{step['name']}: {step['prompt_tokens']:,} prompt and"
        f" {step['generated_tokens']:,} generated tokens"
    )
    known = step["known_most"]
    return f"{said}; known differences: at most {known:,}" if known else said


def _check(check: dict[str, Any]) -> str:
    said = f"{selectors.proves(check['name'])} {check['rows']:,} rows"
    if check["differences"]:
        said += f"; {check['name']} found {check['differences']:,} differences"
    return said
