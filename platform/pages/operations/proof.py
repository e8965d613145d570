"""Whether the books agree, and what waits to be seen through, on one page.

Zero is said with what was looked at and when: the checks of the last whole runs stand
below. Every number is its app's own and leads to its rows.

Failure: none of its own. Owns: nothing.
"""

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince

from kit.links import rights_for
from metering.billing import outbox
from metering.collection.models import Standing as ProviderStanding
from metering.documents.models import Attempt
from metering.inbox import selectors as inbox
from metering.jobs.models import Job
from metering.reconciliation import selectors
from metering.reconciliation.models import Run
from pages.access import admin_page
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, instant, nothing, number, state, words
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, missing_tile, number_tile
from pages.operations.shell import framed, home

SEE_RUNS = "reconciliation.view_run"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of the last whole run that made it, and what that found."""

    name: str
    proves: str
    rows: int
    differences: int
    run: Run


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that is to be seen through: how much of it, and since when."""

    name: str
    why: str
    list_name: str
    undone: int
    stuck: int
    oldest_at: dt.datetime | None
    query: str = ""

    @property
    def address(self) -> str:
        """Return where its rows are."""
        return reverse(self.list_name) + self.query


def _found(row: Checked) -> Cell:
    if not row.differences:
        return state(Badge("agrees", Tone.GOOD))
    address = reverse("admin:reconciliation_run_change", args=(row.run.pk,))
    return state(Badge(f"{row.differences:,} differ", Tone.BAD), address=address)


def _stuck(row: Waiting) -> Cell:
    if row.stuck:
        return state(Badge(f"{row.stuck:,} for somebody", Tone.BAD))
    return state(Badge("by itself", Tone.WAIT) if row.undone else Badge("nothing"))


CHECKS: Table[Checked] = Table(
    name="checks",
    title="Checks of the last whole runs",
    usual_sort="-differences",
    is_one_of_many=True,
    rows_per_page=200,
    empty=Empty(
        "No whole run has been made yet",
        "The books are checked every night; a run may be asked for at any time.",
        "Ask for one",
        "/admin/reconciliation/run/add/",
    ),
    columns=(
        Column(
            "check",
            "Check",
            lambda row: words(row.name.replace("_", " "), note=row.proves),
            sort=lambda row: row.name,
        ),
        Column("found", "Found", _found),
        Column(
            "differences",
            "Differences",
            lambda row: number(row.differences),
            Kind.NUMBER,
            sort=lambda row: row.differences,
        ),
        Column(
            "rows",
            "Rows looked at",
            lambda row: number(row.rows),
            Kind.NUMBER,
            sort=lambda row: row.rows,
        ),
        Column(
            "at",
            "As of, UTC",
            lambda row: instant(row.run.started_at),
            sort=lambda row: row.run.started_at,
        ),
    ),
)
WAITING: Table[Waiting] = Table(
    name="waiting",
    title="To be seen through",
    is_one_of_many=True,
    columns=(
        Column(
            "what",
            "What",
            lambda row: words(row.name, address=row.address, note=row.why),
        ),
        Column("undone", "Undone", lambda row: number(row.undone), Kind.NUMBER),
        Column("stuck", "Waits for", _stuck),
        Column(
            "oldest",
            "The oldest since, UTC",
            lambda row: instant(row.oldest_at) if row.oldest_at else nothing("-"),
        ),
    ),
)


@admin_page(SEE_RUNS)
def proof(request: HttpRequest) -> HttpResponse:
    """Show how the books stand, each check, and each backlog."""
    query, now = query_of(request.GET), timezone.now()
    checked = _checked()
    waiting = [
        each
        for each in _waiting()
        if request.user.has_perms(rights_for(each.list_name))
    ]
    if wants_file(CHECKS, query):
        return file_of(CHECKS, checked, query, name="checks")
    if wants_file(WAITING, query):
        return file_of(WAITING, waiting, query, name="waiting")
    books = selectors.standing(now=now)
    heading = Heading(
        "Proof",
        crumbs=(home(),),
        scope=("the whole installation", _as_of(books, now)),
        lead="Delivered is metered is rated is invoiced is collected, or it says here"
        " what is not.",
    )
    context = {
        "hero": _tiles(books, checked),
        "problem": books.problem,
        "tables": [
            WAITING.laid_out(waiting, query),
            CHECKS.laid_out(checked, query),
        ],
        "links": _links(request),
    }
    return framed(request, "pages/operations/proof.html", heading, context)


def _checked() -> list[Checked]:
    """Return each check once, of the kind of run that found more in it."""
    found: dict[str, Checked] = {}
    for run in selectors.last_whole_runs():
        for each in run.checks:
            row = Checked(
                each["name"],
                selectors.proves(each["name"]),
                each["rows"],
                each["differences"],
                run,
            )
            known = found.get(row.name)
            if known is None or row.differences > known.differences:
                found[row.name] = row
    return list(found.values())


def _waiting() -> list[Waiting]:
    calls, events = outbox.backlog(), inbox.backlog()
    differing = ProviderStanding.objects.exclude(difference="").count()
    papers = Attempt.objects.count()
    failed = Job.objects.filter(state=Job.State.FAILED).count()
    return [
        Waiting(
            "Calls to billing providers",
            "what is told to them, each once",
            "admin:billing_provideroperation_changelist",
            calls.undone,
            calls.parked,
            calls.oldest_at,
            "?undone=yes",
        ),
        Waiting(
            "Events of billing providers",
            "what they told us",
            "admin:inbox_webhookevent_changelist",
            events.undone,
            events.parked,
            events.oldest_at,
        ),
        Waiting(
            "Invoices otherwise at their provider",
            "compared every night",
            "admin:collection_standing_changelist",
            differing,
            differing,
            None,
            "?differs_since__isempty=0",
        ),
        Waiting(
            "Documents that could not be made",
            "tried again, at longer and longer intervals",
            "admin:documents_attempt_changelist",
            papers,
            0,
            None,
        ),
        Waiting(
            "Jobs that failed",
            "until somebody resumes or cancels them",
            "admin:jobs_job_changelist",
            failed,
            failed,
            None,
            "?state__exact=failed",
        ),
    ]


def _tiles(books: selectors.Standing, checked: list[Checked]) -> list[Tile]:
    rows = sum(each.rows for each in checked)
    differences = (
        number_tile(
            "Differences",
            books.differences,
            address="#checks",
            badge=Badge("agrees", Tone.GOOD)
            if not books.differences
            else Badge("must be none", Tone.BAD),
        )
        if checked
        else missing_tile("Differences", "not checked yet")
    )
    cases = number_tile(
        "Open cases",
        books.cases,
        address=f"{reverse('admin:reconciliation_case_changelist')}?state__exact=open",
        note=f"{books.unowned:,} without an owner",
    )
    return [
        differences,
        cases,
        number_tile("Checks", len(checked), address="#checks"),
        number_tile("Rows looked at", rows),
    ]


def _as_of(books: selectors.Standing, now: dt.datetime) -> str:
    if books.checked_at is None:
        return "not all checks were made yet"
    return f"checked {timesince(books.checked_at, now, depth=1)} ago"


def _links(request: HttpRequest) -> list[tuple[str, str]]:
    """Return the ways to what is behind it, as far as one may go."""
    names = (
        ("All runs", "admin:reconciliation_run_changelist"),
        ("Cases", "admin:reconciliation_case_changelist"),
        ("Completeness of epochs", "admin:reconciliation_epochproof_changelist"),
        ("Engines", "admin:reconciliation_engineprocess_changelist"),
        ("Comparisons with providers", "admin:collection_comparison_changelist"),
    )
    return [
        (label, reverse(name))
        for label, name in names
        if request.user.has_perms(rights_for(name))
    ]
