"""Exports in columns of our own words. Pure.

Amounts stand twice: exact in picos, and as a decimal. Instants are RFC 3339 in UTC.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from kit.contracts import TokenClass
from kit.money import decimal_from_minor, decimal_from_picos, quote_per_million
from kit.spreadsheet import said
from metering.exports.models import Subject

# A row as the database gives it, by column.
Row = Mapping[str, Any]
Cell = Callable[[Row], object]


def instant(value: dt.datetime | None) -> str:
    """Return an instant in UTC, empty for none."""
    if value is None:
        return ""
    return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def class_name(row: Row) -> str:
    """Return the token class of a row, empty where it has none."""
    number = row["token_class"]
    return "" if number is None else TokenClass(number).name.lower()


def quote(row: Row) -> str:
    """Return the price per million tokens, empty where there is none."""
    picos = row["unit_picos"]
    return "" if picos is None else quote_per_million(picos)


def _same(name: str) -> tuple[str, Cell]:
    return name, lambda row: "" if row[name] is None else row[name]


def _text(name: str) -> tuple[str, Cell]:
    return name, lambda row: said(row[name])


def _at(name: str) -> tuple[str, Cell]:
    return name, lambda row: instant(row[name])


_CHARGE = (
    ("charge_picos", lambda row: int(row["charge_picos"])),
    ("charge", lambda row: decimal_from_picos(int(row["charge_picos"]))),
)

_USAGE = (
    _same("tenant_id"),
    _same("tenant"),
    _same("date"),
    _at("starts_at"),
    _at("ends_at"),
    _same("project_id"),
    _text("project"),
    ("key_id", lambda row: row["api_key_id"]),
    ("key", lambda row: said(row["api_key"])),
    _text("model"),
    _same("price_id"),
    ("token_class", class_name),
    _same("quantity"),
    ("price_per_million", quote),
    *_CHARGE,
    _same("currency"),
)
_LEDGER = (
    _same("tenant_id"),
    _same("tenant"),
    _same("transaction_id"),
    _same("kind"),
    _text("source"),
    _at("occurred_at"),
    _at("posted_at"),
    _same("entry_id"),
    _same("account"),
    ("debit_picos", lambda row: max(int(row["amount_picos"]), 0)),
    ("credit_picos", lambda row: max(-int(row["amount_picos"]), 0)),
    ("amount_picos", lambda row: int(row["amount_picos"])),
    ("amount", lambda row: decimal_from_picos(int(row["amount_picos"]))),
    _same("currency"),
)
_INVOICES = (
    _same("tenant_id"),
    _same("tenant"),
    _same("invoice_id"),
    _text("number"),
    _same("state"),
    _same("issued_date"),
    _same("due_date"),
    _same("period_first_date"),
    _same("period_end_date"),
    _same("position"),
    _same("kind"),
    _text("description"),
    _text("model"),
    _same("price_id"),
    ("token_class", class_name),
    _same("quantity"),
    ("price_per_million", quote),
    ("exact_picos", lambda row: int(row["exact_picos"])),
    ("exact", lambda row: decimal_from_picos(int(row["exact_picos"]))),
    _same("amount_minor"),
    ("amount", lambda row: decimal_from_minor(row["amount_minor"], row["currency"])),
    _same("currency"),
)

COLUMNS: Final[Mapping[Subject, tuple[tuple[str, Cell], ...]]] = {
    Subject.USAGE: _USAGE,
    Subject.LEDGER: _LEDGER,
    Subject.INVOICES: _INVOICES,
}
