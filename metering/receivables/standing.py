"""How an invoice stands: a function of what happened to it, and nothing else. Pure.

Failure: facts that cannot be (more taken off than was asked for) raise
`ReceivableInvariantError`; nothing of the product makes them.
"""

from dataclasses import dataclass

from metering.billing.models import Invoice

State = Invoice.State


class ReceivableInvariantError(Exception):
    """More was taken off an invoice than it asked for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an invoice asked for and what came of it, in the currency's minor unit.

    `drawn_minor` was paid from credit before it asked for the rest. It is negative
    where more is charged of credit that was charged back than credit paid of it.
    """

    is_issued: bool
    asked_minor: int
    drawn_minor: int = 0
    received_minor: int = 0
    refunded_minor: int = 0
    noted_minor: int = 0
    restored_minor: int = 0
    written_off_minor: int = 0

    @property
    def whole_minor(self) -> int:
        """Return all that it charges, whoever or whatever pays it."""
        return self.asked_minor + self.drawn_minor

    @property
    def paid_minor(self) -> int:
        """Return what came in and stayed."""
        return self.received_minor - self.refunded_minor

    @property
    def credited_minor(self) -> int:
        """Return what notes took off of what was asked for."""
        return self.noted_minor - self.restored_minor

    @property
    def open_minor(self) -> int:
        """Return what is still to be paid: the invoice's part of the receivable."""
        taken = self.paid_minor + self.credited_minor + self.written_off_minor
        return self.asked_minor - taken


def state_of(facts: Facts) -> State:
    """Return the one state that the facts make.

    An invoice that is credited whole is void, one with a part given up that nobody owes
    any more is uncollectible; what else is settled is paid.
    """
    if not facts.is_issued:
        return State.DRAFT
    _require_possible(facts)
    if facts.open_minor > 0:
        return State.OPEN
    is_whole = facts.noted_minor == facts.whole_minor
    if facts.noted_minor and is_whole and facts.credited_minor == facts.asked_minor:
        return State.VOID
    return State.UNCOLLECTIBLE if facts.written_off_minor else State.PAID


def _require_possible(facts: Facts) -> None:
    parts = (
        facts.open_minor,
        facts.paid_minor,
        facts.credited_minor,
        facts.written_off_minor,
        max(facts.drawn_minor, 0) - facts.restored_minor,
    )
    if any(part < 0 for part in parts) or facts.noted_minor > facts.whole_minor:
        raise ReceivableInvariantError(f"these facts cannot be: {facts}")
