"""What says that a step of closing a month is done: read from the books and the checks.

Each look answers whether the step is done or wrong, and says what was looked at with
its counts. Checks are those of the last whole run that began after the month was over,
after it was last reopened, and after anything was booked in it.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from django.db.models import Max

from kit.orm.atomic import cursor
from kit.wording import counted
from metering.billing.models import Invoice, Period
from metering.billing.outbox import backlog as provider_backlog
from metering.economics import selectors
from metering.economics.closing.exceptions import Exceptional, exceptions
from metering.inbox.selectors import backlog as inbox_backlog
from metering.ledger.credit_months import roll_forward
from metering.ledger.earned import Part, revenue
from metering.ledger.lock_models import LockedMonth
from metering.ledger.locking import ends_for_all_at
from metering.ledger.months import month_after
from metering.reconciliation.models import Run
from metering.usage.models import ChangedDay
from metering.usage.selectors import complete_to

# What ran out within the month, as each tenant's days have it.
_RAN_OUT = """
SELECT count(*) FROM ledger_creditgrant
WHERE expired_at IS NULL AND expires_at < %(end)s::date + 1
    AND ledger_book_date(tenant_id, expires_at) < %(end)s
"""
_DAYS = "day waits for the ledger", "days wait for the ledger"
_PERIODS = "billing period is not closed", "billing periods are not closed"
# Which checks of a run are evidence of which step: each is of one, but for those of
# budgets, which are in no book.
ROLLUPS = (
    "days_join",
    "days_rolled_up",
    "hours_rolled_up",
    "key_hours_rolled_up",
    "utc_days_rolled_up",
    "utc_months_summed",
    "hours_totalled",
)
RATED = (
    "epochs_numbered",
    "epochs_settled",
    "events_placed",
    "events_owned",
    "events_corrected",
    "events_rated",
    "days_posted",
)
LEDGER = (
    "transactions_balanced",
    "transactions_unrepeated",
    "balances_shown",
    "months_summed",
    "locked_months_stand",
    "postings_booked",
)
FINAL = (
    "invoices_numbered",
    "invoices_booked",
    "invoices_hashed",
    "invoices_sum_lines",
    "lines_sum_claims",
    "lines_rated",
    "lines_rounded",
    "marks_follow",
    "notes_within_lines",
)
PROVIDER = ("providers_agree",)
PAYMENTS = (
    "invoices_collected",
    "providers_heard",
    "invoices_settled",
    "receivables_open",
)
CREDIT = ("burns_booked",)
_NO_RUN = "The books were not checked since the month ended, or last was booked in."
# What a run has seen is told by the number of the last transaction before it.
_BOOKED_SINCE = """
SELECT EXISTS (
    SELECT FROM ledger_transaction
    WHERE id > %(seen)s AND occurred_at <= %(end)s::date + 1
        AND ledger_book_date(tenant_id, occurred_at) < %(end)s
)
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found; what is neither done nor wrong is still to do.

    `is_of_run` where a run of the checks says so, and is what to look at.
    """

    says: str
    is_done: bool = False
    is_wrong: bool = False
    is_of_run: bool = False


class Books:
    """What the looks at one month share, each read once."""

    def __init__(self, month: dt.date, now: dt.datetime) -> None:
        self.month, self.now = month, now
        self.end = month_after(month)
        self.over_at = ends_for_all_at(month)
        self.is_over = now >= self.over_at

    @cached_property
    def run(self) -> Run | None:
        """Return the last whole check of all books since the month was over.

        And since it was last reopened, for it was opened to be changed; and since
        anything was booked in it, for that was not looked at.
        """
        locked = LockedMonth.objects.filter(month=self.month)
        reopened = locked.aggregate(at=Max("reopened_at"))["at"]
        last = (
            Run.objects.filter(
                kind=Run.Kind.VERIFY_LEDGER,
                is_whole=True,
                state__in=(Run.State.AGREES, Run.State.DIFFERS),
                started_at__gte=max(self.over_at, reopened or self.over_at),
            )
            .order_by("-id")
            .first()
        )
        if last is None or last.ledger_seen is None:
            return None
        with cursor() as session:
            session.execute(_BOOKED_SINCE, {"seen": last.ledger_seen, "end": self.end})
            (is_stale,) = session.fetchone()
        return None if is_stale else last

    @cached_property
    def unposted(self) -> int:
        """Return how many days of the month the ledger has not taken over."""
        return ChangedDay.objects.filter(
            date__gte=self.month, date__lt=self.end
        ).count()

    @cached_property
    def open_periods(self) -> int:
        """Return how many billing periods that end in the month are open."""
        ending = Period.objects.filter(end_date__gt=self.month, end_date__lte=self.end)
        return ending.filter(state=Period.State.OPEN).count()

    @cached_property
    def exceptions(self) -> list[Exceptional]:
        """Return the invoices that stand out."""
        return exceptions(month=self.month)

    def checked(self, *names: str) -> Found:
        """Return what the last run says of checks."""
        if self.run is None:
            return Found(_NO_RUN)
        made = {check["name"]: int(check["differences"]) for check in self.run.checks}
        missing = [name for name in names if name not in made]
        if missing:
            return Found(f"The last run made no check {missing[0]}.", is_of_run=True)
        wrong = {name: made[name] for name in names if made[name]}
        if wrong:
            listed = ", ".join(f"{name}: {count:,}" for name, count in wrong.items())
            return Found(f"Differences: {listed}.", is_wrong=True, is_of_run=True)
        looked_at = counted(len(names), "check", "checks")
        return Found(f"No difference in {looked_at}.", is_done=True, is_of_run=True)


def _both(first: Found, waits: str) -> Found:
    """Return what a run says, unless something still waits."""
    if first.is_wrong or not waits:
        return first
    return Found(waits)


def events(books: Books) -> Found:
    """Look whether anything of the month may still come."""
    over_at = books.over_at
    to = complete_to(now=books.now)
    if to < over_at:
        instant = "%Y-%m-%d %H:%M"
        return Found(f"Complete to {to:{instant}} UTC, of {over_at:{instant}}.")
    if books.unposted:
        return Found(f"{counted(books.unposted, *_DAYS)}.")
    return Found("Complete, with grace; no day waits for the ledger.", is_done=True)


def rollups(books: Books) -> Found:
    """Look whether rollups equal a recount from events."""
    return books.checked(*ROLLUPS)


def rated(books: Books) -> Found:
    """Look whether each event has its price and is in the books once."""
    return books.checked(*RATED)


def ledger(books: Books) -> Found:
    """Look whether transactions sum to zero and are there once."""
    return books.checked(*LEDGER)


def exceptions_reviewed(books: Books) -> Found:
    """Look whether each period is closed, and what of it a person has to see."""
    if books.open_periods:
        return Found(f"{counted(books.open_periods, *_PERIODS)}.")
    found = books.exceptions
    if not found:
        return Found("Every period is closed; no invoice stands out.", is_done=True)
    says = counted(len(found), "invoice stands out", "invoices stand out")
    return Found(f"{says}.", is_done=True)


def final(books: Books) -> Found:
    """Look whether each invoice has its number, and numbers have no gap."""
    of_month = Invoice.objects.filter(
        period__end_date__gt=books.month, period__end_date__lte=books.end
    )
    drafts = of_month.filter(state=Invoice.State.DRAFT).count()
    says = counted(drafts, "invoice is a draft", "invoices are drafts")
    return _both(books.checked(*FINAL), f"{says}." if drafts else "")


def provider(books: Books) -> Found:
    """Look whether the provider was told all, and has the same."""
    undone = provider_backlog().undone
    says = counted(
        undone, "call to the provider is undone", "calls to the provider are undone"
    )
    return _both(books.checked(*PROVIDER), f"{says}." if undone else "")


def payments(books: Books) -> Found:
    """Look whether what was paid is what is recorded."""
    undone = inbox_backlog().undone
    says = counted(
        undone, "of the provider's events waits", "of the provider's events wait"
    )
    return _both(books.checked(*PAYMENTS), f"{says}." if undone else "")


def credit(books: Books) -> Found:
    """Look whether credit's opening and what moved it come to its closing."""
    other = [row for row in roll_forward(month=books.month) if row.other_picos]
    if other:
        listed = ", ".join(sorted({row.currency for row in other}))
        return Found(f"Moved by what no usual posting does: {listed}.", is_wrong=True)
    return books.checked(*CREDIT)


def accruals(books: Books) -> Found:
    """Look whether what the month's end brings about is booked."""
    with cursor() as session:
        session.execute(_RAN_OUT, {"end": books.end})
        (due,) = session.fetchone()
    waits = (
        (books.unposted, _DAYS),
        (books.open_periods, _PERIODS),
        (due, ("grant that ran out is not ended", "grants that ran out are not ended")),
    )
    listed = ", ".join(counted(number, *what) for number, what in waits if number)
    if listed:
        return Found(f"{listed}.")
    return Found("No day, period or ended grant waits to be booked.", is_done=True)


def costs(books: Books) -> Found:
    """Look whether all of the month has its cost, and brings what was booked."""
    covered = selectors.coverage(first=books.month, end=books.end, now=books.now)
    if covered.missing:
        says = counted(covered.missing, "day is", "days are")
        return Found(f"{says} not worked out.")
    if covered.unpriced_us:
        hours, _ = selectors.hours_of(covered.unpriced_us)
        says = counted(hours, "replica-hour has", "replica-hours have")
        return Found(f"{says} no rate.")
    for earned in revenue(first=books.month, last=books.month):
        booked = earned.parts[Part.USE]
        whole = selectors.margin(
            currency=earned.currency, first=books.month, end=books.end
        ).whole
        if whole.revenue_picos != booked:
            return Found(
                f"Margins in {earned.currency} were worked out before the last posting:"
                " work them out again."
            )
    hours, _ = selectors.hours_of(covered.replica_us)
    return Found(f"All {hours:,} replica-hours have a rate.", is_done=True)
