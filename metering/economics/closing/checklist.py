"""The thirteen steps of closing a month, each with its state and what says so.

Most are read from what the product proves anyway: the last check of all books after the
month's end, what still waits, how sums tie. Three are signed by people; the last is the
lock. A step is done, still to do, or wrong; wrong ones are named by what is wrong.

Failure: none of its own. Nothing is written here.
"""

import datetime as dt
import enum
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import User

from metering.economics.close_models import CloseSignature
from metering.economics.closing import evidence
from metering.economics.closing.evidence import Books
from metering.economics.closing.exceptions import listed_sha256
from metering.economics.closing.signing import Signed, signatures
from metering.ledger.lock_models import LockedMonth
from metering.ledger.locking import (
    ends_for_all_at,
    figures_sha256,
    is_locked,
    lock_of,
)

Signature = CloseSignature.Step


class State(enum.StrEnum):
    """How a step stands."""

    DONE = "done"
    TO_DO = "to do"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it holds, how it stands, what says so, and where to look.

    `look` names the page behind it, with `run_id` where that is one run of the checks.
    `signature` is what a person may sign, `signed` who did; `is_ready` once there is
    something to sign: the month is over, and what is looked at is done.
    """

    number: int
    name: str
    title: str
    state: State
    says: str
    look: str = ""
    run_id: int | None = None
    signature: Signature | None = None
    signed: Signed | None = None
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """A month on its way to being closed, as of one moment."""

    month: dt.date
    steps: tuple[Step, ...]
    over_at: dt.datetime
    locked: LockedMonth | None
    is_locked: bool
    run_id: int | None
    checked_at: dt.datetime | None

    @property
    def done(self) -> int:
        """Return how many steps are done."""
        return sum(step.state is State.DONE for step in self.steps)

    @property
    def wrong(self) -> int:
        """Return how many steps are wrong."""
        return sum(step.state is State.WRONG for step in self.steps)

    def before(self, name: str) -> tuple[Step, ...]:
        """Return the steps ahead of one that are not done."""
        (last,) = (step.number for step in self.steps if step.name == name)
        ahead = self.steps[: last - 1]
        return tuple(step for step in ahead if step.state is not State.DONE)


def checklist(*, month: dt.date, now: dt.datetime) -> Checklist:
    """Return how far a month is from being closed."""
    books = Books(month, now)
    signed = signatures(month=month)
    steps = [
        *_computed(books, signed),
        _report(books, signed),
    ]
    lock, locked = lock_of(month), is_locked(month)
    steps.append(_lock(lock, is_locked=locked))
    run = books.run
    return Checklist(
        month=month,
        steps=tuple(steps),
        over_at=ends_for_all_at(month),
        locked=lock,
        is_locked=locked,
        run_id=run.pk if run else None,
        checked_at=run.started_at if run else None,
    )


_Look = Callable[[Books], evidence.Found]
_RUN = "admin:reconciliation_run_change"
# Name, title, what looks, which page is behind it, who else has to sign.
_STEPS: tuple[tuple[str, str, _Look, str, Signature | None], ...] = (
    (
        "events",
        "Events are complete to the month's end",
        evidence.events,
        "admin:usage_epoch_changelist",
        None,
    ),
    ("rollups", "Rollups equal a recount", evidence.rollups, _RUN, None),
    ("rated", "Every event is rated once", evidence.rated, _RUN, None),
    ("ledger", "The ledger sums to zero", evidence.ledger, _RUN, None),
    (
        "exceptions",
        "Invoices are drafted, exceptions reviewed",
        evidence.exceptions_reviewed,
        "exceptions",
        Signature.EXCEPTIONS,
    ),
    (
        "final",
        "Invoices are final, numbers without a gap",
        evidence.final,
        "admin:billing_invoice_changelist",
        None,
    ),
    (
        "provider",
        "The provider has what we have, line by line",
        evidence.provider,
        "admin:billing_provideroperation_changelist",
        None,
    ),
    (
        "payments",
        "Payments and payouts are matched",
        evidence.payments,
        "admin:collection_standing_changelist",
        Signature.PAYMENTS,
    ),
    ("credit", "Credit rolls forward", evidence.credit, "finance:credit", None),
    (
        "accruals",
        "Breakage, accruals and deferrals are posted",
        evidence.accruals,
        "admin:billing_period_changelist",
        None,
    ),
    ("costs", "Costs are entered", evidence.costs, "finance:costs", None),
)


def _computed(books: Books, signed: dict[Signature, Signed]) -> list[Step]:
    steps = []
    for number, (name, title, look, page, signature) in enumerate(_STEPS, 1):
        found = look(books)
        by = signed.get(signature) if signature else None
        is_outdated = by is not None and not _still_holds(books, by, signature)
        state, says = _state(found), found.says
        if state is State.DONE and signature and by is None:
            state, says = State.TO_DO, f"{says} Not signed yet."
        if state is State.DONE and is_outdated:
            state = State.TO_DO
            says = f"{says} The list has changed since it was signed: sign it again."
        on_run = page == _RUN or found.is_of_run
        run = books.run if on_run else None
        steps.append(
            Step(
                number=number,
                name=name,
                title=title,
                state=state,
                says=says,
                look=_RUN if run else ("" if page == _RUN else page),
                run_id=run.pk if run else None,
                signature=signature,
                signed=by,
                is_ready=found.is_done and books.is_over,
            )
        )
    return steps


def _still_holds(books: Books, by: Signed, signature: Signature | None) -> bool:
    """Tell whether what was signed is still what there is."""
    if signature is not Signature.EXCEPTIONS:
        return True
    return by.figures_sha256 == listed_sha256(books.exceptions)


def _state(found: evidence.Found) -> State:
    if found.is_wrong:
        return State.WRONG
    return State.DONE if found.is_done else State.TO_DO


def _report(books: Books, signed: dict[Signature, Signed]) -> Step:
    by = signed.get(Signature.REPORT)
    if by is None:
        state, says = State.TO_DO, "Nobody has signed the month's figures yet."
    elif by.figures_sha256 != figures_sha256(books.month):
        state = State.WRONG
        says = "The books have changed since the figures were signed: sign them again."
    else:
        state, says = State.DONE, "The figures are those that were signed."
    return Step(
        number=len(_STEPS) + 1,
        name="report",
        title="The report is prepared and signed",
        state=state,
        says=says,
        look="finance:report",
        signature=Signature.REPORT,
        signed=by,
    )


def _lock(lock: LockedMonth | None, *, is_locked: bool) -> Step:
    number = len(_STEPS) + 2
    title = "The month is approved by another person, and locked"
    if lock is None:
        state = State.DONE if is_locked else State.TO_DO
        says = "A later month is locked." if is_locked else "It is open."
        return Step(number, "lock", title, state, says)
    by = Signed(
        by_id=lock.approved_by_id,
        by=name_of(lock.approved_by_id),
        at=lock.locked_at,
        note="",
        figures_sha256="",
    )
    says = "Nothing is booked in it any more."
    return Step(number, "lock", title, State.DONE, says, signed=by)


def name_of(user_id: int) -> str:
    """Return who an account is, as a page names people."""
    user = User.objects.filter(pk=user_id).first()
    return user.get_username() if user else f"account {user_id}"
