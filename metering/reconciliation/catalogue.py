"""Which checks there are, and which of them each kind of run makes.

`reconcile` walks one window of billing days along the chain; `verify_ledger` holds
every invariant of the books over all time. What engines counted and what an epoch
admitted are left to the window: a gateway that was killed with requests running stays
short of them for good, and an alarm that never ends is no alarm.
"""

from metering.reconciliation.checks import (
    budgets,
    claims,
    collected,
    credit,
    engines,
    epochs,
    events,
    invoices,
    issued,
    ledger,
    postings,
    receivables,
    rollups,
    totals,
)
from metering.reconciliation.checks.check import Check
from metering.reconciliation.models import Run

_EVENTS = (
    epochs.EPOCHS_NUMBERED,
    epochs.EPOCHS_SETTLED,
    events.EVENTS_PLACED,
    events.EVENTS_OWNED,
    events.EVENTS_CORRECTED,
    events.EVENTS_RATED,
    rollups.DAYS_JOIN,
    rollups.DAYS_ROLLED_UP,
    rollups.HOURS_ROLLED_UP,
    rollups.KEY_HOURS_ROLLED_UP,
    totals.UTC_DAYS_ROLLED_UP,
    totals.UTC_MONTHS_SUMMED,
    totals.HOURS_TOTALLED,
    budgets.WINDOWS_POSTED,
    budgets.WINDOWS_LEASED,
)
_POSTINGS = (
    postings.DAYS_POSTED,
    postings.POSTINGS_BOOKED,
    claims.MARKS_FOLLOW,
)

CHECKS: dict[Run.Kind, tuple[Check, ...]] = {
    Run.Kind.RECONCILE: (
        engines.ENGINES_COUNTED,
        epochs.EPOCHS_COUNTED,
        *_EVENTS,
        *_POSTINGS,
    ),
    Run.Kind.VERIFY_LEDGER: (
        *_EVENTS,
        *_POSTINGS,
        ledger.TRANSACTIONS_BALANCED,
        ledger.TRANSACTIONS_UNREPEATED,
        ledger.BALANCES_SHOWN,
        ledger.MONTHS_SUMMED,
        ledger.LOCKED_MONTHS_STAND,
        claims.LINES_SUM_CLAIMS,
        claims.LINES_RATED,
        invoices.LINES_ROUNDED,
        claims.INVOICES_SUM_LINES,
        invoices.INVOICES_HASHED,
        invoices.INVOICES_BOOKED,
        issued.INVOICES_NUMBERED,
        receivables.INVOICES_SETTLED,
        receivables.NOTES_WITHIN_LINES,
        receivables.RECEIVABLES_OPEN,
        credit.BURNS_BOOKED,
        issued.PROVIDERS_AGREE,
        collected.INVOICES_COLLECTED,
        collected.PROVIDERS_HEARD,
    ),
}

ALL: dict[str, Check] = {
    check.name: check for checks in CHECKS.values() for check in checks
}
