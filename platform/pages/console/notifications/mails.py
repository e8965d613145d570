"""Who gets which mail: every kind there is, who reads it now, who may do without. Pure.

What a member chose to get none of, the table does not name that member for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit.spreadsheet import said
from metering.alerts.models import EventType
from metering.alerts.telling import TOPICS
from pages.console.notifications.forms import MEANINGS
from pages.design.cells import Cell, Kind, nothing, words
from pages.design.table import Column, Table
from tenants.mails.topics import wants
from tenants.models import Mail, Member

_READERS_SHOWN = 3
_BILLS_TO = "the billing address, those that agreed, billing; owners where none is"
BILLS = {
    Mail.Kind.INVOICE: "an invoice is issued",
    Mail.Kind.PAYMENT: "a payment has come in",
    Mail.Kind.UNCOLLECTED: "a payment could not be collected",
    Mail.Kind.DUNNING: "an invoice is overdue, calls are suspended or served again",
}
TO_ONE = (
    ("test", "somebody asks for a test", "whoever asks"),
    (Mail.Kind.INVITATION.value, "a place is offered", "whoever is invited"),
    (Mail.Kind.ADDRESS.value, "an address is named for bills", "that address"),
    ("account", "a password or an address is changed", "whose account it is"),
)


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail: when it is sent, who gets it now, whether each may do without it."""

    event: str
    meaning: str
    told: str
    readers: Sequence[str]
    by_choice: bool = False
    to_one: bool = False


def mails_table() -> Table[MailRow]:
    """Return the table of who gets which mail."""
    return Table(
        name="mails",
        title="Who gets which mail",
        columns=(
            Column("when", "When", lambda row: words(row.meaning, note=row.event)),
            Column("told", "Told to", lambda row: words(row.told)),
            Column("readers", "Now", _readers, Kind.LONG),
            Column(
                "choice",
                "Needed",
                lambda row: words("by choice" if row.by_choice else "always sent"),
                note="Whether each member may choose to get none of them",
            ),
        ),
        note="Each address gets it once. Of a key's own limit the member whose key it"
        " is is told, too.",
    )


def mail_rows(
    mailed: Mapping[EventType, Sequence[str]],
    people: Sequence[Member],
    *,
    billing_email: str,
    bills_to: Sequence[str],
) -> list[MailRow]:
    """Return a row for each kind of mail that there is."""
    alerts = [_alert(event, mailed[event], people, billing_email) for event in mailed]
    bills = [
        MailRow(kind.value, meaning, _BILLS_TO, bills_to)
        for kind, meaning in BILLS.items()
    ]
    single = [
        MailRow(kind, meaning, told, (), to_one=True) for kind, meaning, told in TO_ONE
    ]
    return [*alerts, *bills, *single]


def _alert(
    event: EventType, roles: Sequence[str], people: Sequence[Member], billing_email: str
) -> MailRow:
    topic = TOPICS[event]
    readers = [
        each.email
        for role in roles
        for each in people
        if each.role == role and wants(each, topic)
    ]
    told = ", ".join(f"{role}s" if role != "billing" else role for role in roles)
    if event not in (EventType.ENDPOINT_PAUSED, EventType.MODEL_RETIRING):
        told += ", the billing address"
        readers += [billing_email] if billing_email else []
    return MailRow(
        event.value,
        MEANINGS[event.value],
        told,
        list(dict.fromkeys(readers)),
        by_choice=True,
    )


def _readers(row: MailRow) -> Cell:
    if not row.readers:
        return nothing("one person" if row.to_one else "nobody")
    shown = ", ".join(row.readers[:_READERS_SHOWN])
    more = len(row.readers) - _READERS_SHOWN
    text = f"{shown} and {more} more" if more > 0 else shown
    return Cell(text, said(", ".join(row.readers)))
