"""The pages of closing a month: its steps with their evidence, signatures, the lock.

What is shown is `metering.economics.closing`'s; what is done is its services', by POST.
The lock and the reopening each have a page between, which counts what follows.
"""

import datetime as dt
from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from kit.errors import NotFound, PlatformError
from metering.economics.close_models import NOTE_CHARS_MAX, CloseSignature
from metering.economics.closing import services as closing
from metering.economics.closing.checklist import Checklist, State, Step, checklist
from metering.economics.closing.exceptions import Exceptional, exceptions
from metering.jobs import selectors as jobs
from metering.jobs.models import Job
from metering.ledger.lock_models import REASON_CHARS_MAX, LockedMonth
from metering.ledger.locking import ends_for_all_at, is_locked, last_locked
from metering.ledger.months import booked_months, month_after, tenants_in
from metering.usage.selectors import database_now
from pages.access import staff_page
from pages.design import cells
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.finance.sections import SEE_CLOSE

TONES = {State.DONE: Tone.GOOD, State.TO_DO: Tone.WAIT, State.WRONG: Tone.BAD}
_LOCKED = Badge("locked", Tone.GOOD)
_OPEN, _RUNNING = Badge("open", Tone.WAIT), Badge("running", Tone.PLAIN)


def _what(row: Exceptional) -> Cell:
    before = row.before_minor
    if before is None:
        return cells.nothing("none before")
    return cells.minor(before, row.currency)


EXCEPTIONS: Table[Exceptional] = Table(
    name="exceptions",
    title="Invoices that stand out",
    usual_sort="",
    empty=Empty(
        "No invoice stands out",
        "First invoices, those of nothing or less, and those that are half as large "
        "again, or half, as the one before were looked for.",
    ),
    columns=(
        Column(
            "invoice",
            "Invoice",
            lambda row: cells.words(
                row.number or "draft",
                address=reverse("finance:invoice", args=[row.public_id]),
            ),
        ),
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(row.tenant),
            sort=lambda row: row.tenant,
        ),
        Column(
            "why", "Why", lambda row: cells.words(row.why), sort=lambda row: row.why
        ),
        Column(
            "before",
            "Before",
            _what,
            Kind.NUMBER,
            sort=lambda row: row.before_minor or 0,
        ),
        Column(
            "amount",
            "Now",
            lambda row: cells.minor(row.amount_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.amount_minor,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


class ReasonForm(forms.Form):
    """Why a month is reopened."""

    reason = forms.CharField(
        max_length=REASON_CHARS_MAX,
        widget=forms.Textarea({"rows": 3}),
        help_text="Kept with the month, with your name.",
    )


@require_safe
@staff_page(*SEE_CLOSE)
def index(request: HttpRequest) -> HttpResponse:
    """List the months with postings, and whether each is closed."""
    now = database_now()
    booked, locked = booked_months(), last_locked()
    rows = []
    month = now.astimezone(dt.UTC).date().replace(day=1)
    while booked is not None and month >= booked[0]:
        rows.append((month, locked is not None and month <= locked))
        month = month_after(month, -1)
    table = _months_table(now)
    query = query_of(request.GET)
    context = {
        "heading": Heading(
            "Close",
            scope=("months of each tenant's zone",),
            lead="A month is closed once, with evidence, by two people.",
        ),
        "tables": [table.laid_out(rows, query)],
    }
    return render(request, "pages/finance/page.html", context)


def _months_table(now: dt.datetime) -> Table[tuple[dt.date, bool]]:
    def state(row: tuple[dt.date, bool]) -> Cell:
        month, locked = row
        if locked:
            return cells.state(_LOCKED)
        over_at = ends_for_all_at(month)
        if now < over_at:
            return cells.state(_RUNNING, note=f"over on {over_at:%Y-%m-%d %H:%M} UTC")
        return cells.state(_OPEN)

    return Table(
        name="months",
        title="Months",
        has_file=False,
        empty=Empty(
            "No month to close yet",
            "The first one is here once use is booked in it: a day is, an hour and a "
            "lease's life after it ended.",
        ),
        columns=(
            Column(
                "month",
                "Month",
                lambda row: cells.month(row[0], address=_address("close", row[0])),
            ),
            Column("state", "State", state),
        ),
    )


def _address(name: str, month: dt.date) -> str:
    return reverse(f"finance:{name}", args=[f"{month:%Y-%m}"])


def _month_of(month: str) -> dt.date:
    year, number = int(month[:4]), int(month[5:])
    if not (1 <= number <= 12 and 2000 <= year < 2200):
        raise NotFound(f"There is no month {month}.")
    return dt.date(year, number, 1)


@require_safe
@staff_page(*SEE_CLOSE)
def page(request: HttpRequest, month: str) -> HttpResponse:
    """Show the steps of a month, what says that each is done, and what may be done."""
    first, now = _month_of(month), database_now()
    query = query_of(request.GET)
    found = exceptions(month=first)
    if wants_file(EXCEPTIONS, query):
        return file_of(EXCEPTIONS, found, query, name=f"exceptions-{month}")
    steps = checklist(month=first, now=now)
    job = jobs.latest(kind=closing.CHECK_MONTH, subject=month)
    context = {
        "heading": _heading(steps),
        "steps": [_shown(step, request) for step in steps.steps],
        "list": steps,
        "state": _LOCKED if steps.is_locked else _OPEN,
        "month": month,
        "job": job,
        "progress": jobs.progress(job) if job else None,
        "is_under_way": job is not None
        and job.state in {Job.State.WAITING, Job.State.RUNNING},
        "may_sign": request.user.has_perm(closing.SIGN) and not steps.is_locked,
        "may_lock": request.user.has_perm(closing.APPROVE) and not steps.is_locked,
        "may_reopen": request.user.has_perm(closing.APPROVE)
        and steps.locked is not None
        and last_locked() == first,
        "history": LockedMonth.objects.filter(
            month=first, reopened_at__isnull=False
        ).order_by("-id"),
        "note_chars_max": NOTE_CHARS_MAX,
        "tables": [EXCEPTIONS.laid_out(found, query)],
    }
    return render(request, "pages/finance/close.html", context)


def _heading(steps: Checklist) -> Heading:
    checked = "books not checked since"
    if steps.checked_at is not None:
        checked = f"books checked {steps.checked_at:%Y-%m-%d %H:%M} UTC"
    return Heading(
        f"Close of {steps.month:%B %Y}",
        scope=(
            f"over for all on {steps.over_at:%Y-%m-%d %H:%M} UTC",
            checked,
            f"{steps.done} of {len(steps.steps)} steps done",
        ),
        crumbs=(Crumb("Close", reverse("finance:closes")),),
    )


def _shown(step: Step, request: HttpRequest) -> dict[str, object]:
    """Return a step as its template lays it out."""
    return {
        "step": step,
        "badge": Badge(step.state, TONES[step.state]),
        "look": _look(step, request),
        "signature": step.signature.value if step.signature else "",
    }


def _look(step: Step, request: HttpRequest) -> str:
    """Return where the evidence is; empty where there is no page for it."""
    if step.look == "exceptions":
        return "#exceptions"
    if not step.look:
        return ""
    args: list[object] = [step.run_id] if step.run_id else []
    if step.look == "finance:report":
        args = [request.path.rstrip("/").rpartition("/")[2]]
    try:
        return reverse(step.look, args=args)
    except NoReverseMatch:
        return ""


@require_POST
@staff_page(*SEE_CLOSE)
def sign(request: HttpRequest, month: str) -> HttpResponse:
    """Sign a step as whoever is signed in."""
    name = request.POST.get("step", "")
    if name not in CloseSignature.Step.values:
        raise NotFound("There is no such step to sign.")
    step = CloseSignature.Step(name)
    note = request.POST.get("note", "").replace("\0", "")[:NOTE_CHARS_MAX]

    def write(by: User, now: dt.datetime) -> object:
        return closing.sign(month=first, step=step, by=by, now=now, note=note)

    first = _month_of(month)
    return _done(request, month, write, f"Signed: {step.label}.")


@require_POST
@staff_page(*SEE_CLOSE)
def check(request: HttpRequest, month: str) -> HttpResponse:
    """Ask for the month to be checked anew."""
    first = _month_of(month)
    return _done(
        request,
        month,
        lambda by, now: closing.check_month(month=first, by=by),
        "Asked for: the worker works out each day, then checks all books.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(*SEE_CLOSE)
def lock(request: HttpRequest, month: str) -> HttpResponse:
    """Say what locking means, counted, and lock."""
    first = _month_of(month)
    if request.method == "POST":
        return _done(
            request,
            month,
            lambda by, now: closing.lock(month=first, by=by, now=now),
            f"{month} is locked.",
        )
    if is_locked(first):
        return redirect("finance:close", month=month)
    steps = checklist(month=first, now=database_now())
    (report,) = (step for step in steps.steps if step.name == "report")
    context = {
        "month": month,
        "name": f"{first:%B %Y}",
        "open_steps": steps.before("lock"),
        "signed": report.signed,
        "is_mine": report.signed is not None and report.signed.by_id == request.user.pk,
        "tenants": tenants_in(month=first),
    }
    return render(request, "pages/finance/close_lock.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(*SEE_CLOSE)
def reopen(request: HttpRequest, month: str) -> HttpResponse:
    """Ask why, and open the month again."""
    first = _month_of(month)
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        return _done(
            request,
            month,
            lambda by, now: closing.reopen(month=first, by=by, reason=reason, now=now),
            f"{month} is open again; what was signed counts no more.",
        )
    context = {"month": month, "name": f"{first:%B %Y}", "form": form}
    status = 400 if form.is_bound else 200
    return render(request, "pages/finance/close_reopen.html", context, status=status)


def _done(
    request: HttpRequest,
    month: str,
    write: Callable[[User, dt.datetime], object],
    said: str,
) -> HttpResponse:
    """Write as whoever is signed in, say how it went, and go back to the month."""
    by = request.user
    assert isinstance(by, User)  # noqa: S101 - staff pages admit no one else
    try:
        write(by, database_now())
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, said)
    return redirect("finance:close", month=month)
