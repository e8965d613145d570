"""The tables of a month's report, each a file of the same rows."""

from dataclasses import dataclass
from functools import partial

from django.urls import reverse

from metering.ledger.models import Account
from metering.ledger.months import Balanced
from metering.receivables.monthly import Correction, Taxed
from pages.design import cells
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.states import Empty
from pages.design.table import Column, Table

_NAMES = {
    kind: label[:1].upper() + label[1:]
    for kind, label in ((kind, str(text)) for kind, text in Account.Kind.choices)
}


def _unit(row: Balanced | Correction | Taxed) -> Cell:
    return cells.unit(row.currency)


def _side(name: str, row: Balanced) -> Cell:
    return cells.money(getattr(row, name), row.currency)


TRIAL: Table[Balanced] = Table(
    name="trial-balance",
    title="Trial balance",
    note="Balances are debits where positive and credits where negative; they sum to "
    "zero, and so do the month's debits less its credits.",
    is_one_of_many=True,
    columns=(
        Column(
            "account",
            "Account",
            lambda row: cells.words(_NAMES[row.account]),
            sort=lambda row: list(_NAMES).index(row.account),
        ),
        *(
            Column(name, heading, partial(_side, f"{name}_picos"), Kind.NUMBER)
            for name, heading in (
                ("opening", "Opening"),
                ("debited", "Debits"),
                ("credited", "Credits"),
                ("closing", "Closing"),
            )
        ),
        Column("currency", "Currency", _unit, Kind.UNIT),
    ),
    empty=Empty("Nothing is booked", "No posting is of this month or of one before."),
)


@dataclass(frozen=True, slots=True)
class EarnedLine:
    """A part of revenue in words."""

    name: str
    picos: int
    currency: str
    note: str = ""


REVENUE: Table[EarnedLine] = Table(
    name="revenue",
    title="Revenue",
    is_one_of_many=True,
    columns=(
        Column("part", "Part", lambda row: cells.words(row.name, note=row.note)),
        Column(
            "amount",
            "Amount",
            lambda row: cells.money(row.picos, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


@dataclass(frozen=True, slots=True)
class AgeLine:
    """One bucket of what was open."""

    name: str
    invoices: int
    open_minor: int
    currency: str


AGEING: Table[AgeLine] = Table(
    name="ageing",
    title="Receivables by age",
    note="By due date as of the month's last day; tax included.",
    is_one_of_many=True,
    columns=(
        Column("age", "Overdue", lambda row: cells.words(row.name)),
        Column(
            "invoices", "Invoices", lambda row: cells.number(row.invoices), Kind.NUMBER
        ),
        Column(
            "open",
            "Open",
            lambda row: cells.minor(row.open_minor, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)
CORRECTIONS: Table[Correction] = Table(
    name="corrections",
    title="Corrections",
    note="What this month charged of use of earlier periods, and what its credit notes "
    "took back; tax included in notes.",
    is_one_of_many=True,
    usual_sort="date",
    columns=(
        Column(
            "number",
            "Document",
            lambda row: cells.words(
                row.number, address=reverse("finance:invoice", args=[row.invoice])
            ),
            sort=lambda row: row.number,
        ),
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(row.tenant),
            sort=lambda row: row.tenant,
        ),
        Column("what", "What", lambda row: cells.words(row.what)),
        Column(
            "date", "Issued", lambda row: cells.day(row.date), sort=lambda row: row.date
        ),
        Column(
            "amount",
            "Amount",
            lambda row: cells.minor(row.amount_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.amount_minor,
        ),
        Column("currency", "Currency", _unit, Kind.UNIT),
    ),
    empty=Empty(
        "No corrections",
        "No invoice of this month charged earlier use, and no credit note was issued.",
    ),
)


def _tax(name: str, row: Taxed) -> Cell:
    return cells.minor(getattr(row, name), row.currency)


TAX: Table[Taxed] = Table(
    name="tax",
    title="Tax by rate",
    is_one_of_many=True,
    columns=(
        Column("rate", "Rate", lambda row: cells.words(row.name)),
        Column(
            "invoices", "Invoices", lambda row: cells.number(row.invoices), Kind.NUMBER
        ),
        Column("charged", "Charged", partial(_tax, "charged_minor"), Kind.NUMBER),
        Column(
            "taken-back", "Taken back", partial(_tax, "taken_back_minor"), Kind.NUMBER
        ),
        Column("owed", "Owed", partial(_tax, "owed_minor"), Kind.NUMBER),
        Column("currency", "Currency", _unit, Kind.UNIT),
    ),
    empty=Empty("No tax", "No invoice or credit note of this month has a line of tax."),
)


@dataclass(frozen=True, slots=True)
class Tie:
    """Two figures that must be one, each from its own rows."""

    what: str
    one_picos: int
    other_picos: int
    currency: str

    @property
    def holds(self) -> bool:
        """Tell whether they are."""
        return self.one_picos == self.other_picos


TIES: Table[Tie] = Table(
    name="ties",
    title="What ties out",
    is_one_of_many=True,
    columns=(
        Column("what", "Figure", lambda row: cells.words(row.what)),
        Column(
            "state",
            "State",
            lambda row: cells.state(
                Badge("equal", Tone.GOOD) if row.holds else Badge("differs", Tone.BAD)
            ),
        ),
        Column(
            "rows",
            "By rows",
            lambda row: cells.money(row.one_picos, row.currency),
            Kind.NUMBER,
        ),
        Column(
            "ledger",
            "By the ledger",
            lambda row: cells.money(row.other_picos, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)
