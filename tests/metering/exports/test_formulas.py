"""No text in a file begins like a formula of a spreadsheet, whoever wrote it."""

import datetime as dt
import re
from typing import Any
from uuid import UUID

import pytest
from pytest_django.fixtures import Settings

from metering.exports import focus, plain
from metering.exports.models import Subject

AT = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
DATE = dt.date(2026, 10, 1)
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
BEGINNINGS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)


def row(text: str, token_class: int | None) -> dict[str, Any]:
    """Return a row of any subject in which people wrote `text` wherever they can."""
    written = ("tenant_name", "project", "api_key", "model", "source", "number")
    dates = ("date", "issued_date", "due_date", "period_first_date", "period_end_date")
    instants = ("starts_at", "ends_at", "period_starts_at", "period_ends_at")
    numbers = ("tenant_id", "project_id", "api_key_id", "price_id", "transaction_id")
    return {
        **dict.fromkeys((*written, "description"), text),
        **dict.fromkeys(dates, DATE),
        **dict.fromkeys((*instants, "occurred_at", "posted_at", "issued_at"), AT),
        **dict.fromkeys((*numbers, "entry_id", "position", "quantity"), 7),
        **dict.fromkeys(("charge_picos", "exact_picos", "amount_picos"), -(10**12)),
        "amount_minor": -100,
        "unit_picos": 3_000_000,
        "token_class": token_class,
        "tenant": "acme",
        "invoice_id": UUID(int=1),
        "kind": "usage",
        "state": "open",
        "account": "revenue",
        "currency": "USD",
    }


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("subject", Subject)
def test_no_cell_is_a_formula(
    subject: Subject, beginning: str, settings: Settings
) -> None:
    text = f"{beginning}cmd|' /C calc'!A0"
    settings.SELLER_NAME = text
    given = row(text, 1)
    cells = [str(cell(given)) for _, cell in plain.COLUMNS[subject]]
    charge = focus.focus(subject, given)
    assert charge is not None
    cells += [str(cell) for cell in charge.values()]
    assert any(text in cell for cell in cells)
    formulas = [cell for cell in cells if cell.startswith(BEGINNINGS)]
    assert [cell for cell in formulas if not NUMBER.match(cell)] == []
