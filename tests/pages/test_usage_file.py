"""The file of the usage page is whole: sent as it is read, however many rows it has."""

from decimal import Decimal

import pytest
from django.db import connections
from django.test import Client

from kit.errors import InvalidRequest
from kit.orm.roles import OPERATOR
from metering.usage import selectors, streaming
from pages.design import files
from pages.finance.usage_table import COUNTS
from tests.factories.tenants import make_tenant
from tests.pages.reading import tables, text
from tests.pages.test_usage import RANGE, filed, shown, used


def open_cursors() -> list[str]:
    """Return the cursors that rows are still fetched from."""
    with connections[OPERATOR].cursor() as session:
        session.execute("SELECT name FROM pg_cursors WHERE name <> ''")
        return [name for (name,) in session.fetchall()]


def some_use() -> None:
    """Let three tenants in two currencies use two models."""
    for slug, currency, days in (("b", "USD", 3), ("a", "EUR", 1), ("c", "USD", 2)):
        tenant = make_tenant(slug=slug, currency=currency)
        used(tenant, model="one", days=days)
        used(tenant, model="two")


@pytest.mark.parametrize("by", ["model", "tenant", "project", "key"])
def test_the_rows_of_the_file_come_to_the_totals_of_the_page(
    finance: Client, by: str
) -> None:
    some_use()

    rows = filed(finance, by=by)

    (page,) = (
        found
        for title, found in tables(shown(finance, by=by)).items()
        if title.startswith("By ")
    )
    totals = {row[2]: row for row in page if row[0].startswith("Total")}
    assert set(totals) == {"EUR", "USD"}
    for currency, (_, spend, _, *counts) in totals.items():
        mine = [row for row in rows if row["currency"] == currency]
        assert sum(Decimal(row["spend"]) for row in mine) == Decimal(spend)
        assert [sum(int(row[name]) for row in mine) for name in COUNTS] == [
            int(count.replace(",", "")) for count in counts
        ]
    assert len(rows) == len(page) - 1 - len(totals)


@pytest.mark.parametrize(
    ("by", "sort"),
    [
        ("tenant", ""),
        ("tenant", "tenant"),
        ("tenant", "-requests"),
        ("project", "-project"),
        ("model", "-spend"),
        ("key", "key"),
    ],
)
def test_the_file_is_in_the_order_of_the_page(
    finance: Client, by: str, sort: str
) -> None:
    some_use()

    rows = filed(finance, by=by, sort=sort)

    page = next(
        found
        for title, found in tables(shown(finance, by=by, sort=sort)).items()
        if title.startswith("By ")
    )
    listed = [row[0].split()[0] for row in page[1:] if not row[0].startswith("Total")]
    assert [row[by].split()[0] for row in rows] == listed
    assert len(listed) >= 3


def test_more_rows_than_a_page_holds_are_all_in_the_file(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_use()
    monkeypatch.setattr(selectors, "ROWS_MAX", 2)

    page = finance.get("/finance/usage/", {**RANGE, "by": "tenant"})

    assert page.status_code == 400
    assert "A page holds no more rows: all of them are in the file" in text(
        page.content
    )
    address = f"from={RANGE['from']}&amp;to={RANGE['to']}&amp;by=tenant&amp;file=usage"
    assert f'href="?{address}"' in page.content.decode()
    assert {row["tenant"] for row in filed(finance, by="tenant")} == {"a", "b", "c"}


def test_few_rows_are_held_at_once(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_use()
    monkeypatch.setattr(streaming, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(files, "PIECE_CHARS", 1)

    answer = finance.get("/finance/usage/", {**RANGE, "by": "tenant", "file": "usage"})

    assert answer.streaming
    pieces = iter(answer)
    next(pieces)
    (cursor,) = open_cursors()
    with connections[OPERATOR].cursor() as session:
        # The database still has the others: whoever sends the file has read one.
        session.execute(f'FETCH ALL FROM "{cursor}"')
        assert len(session.fetchall()) == 2
    assert b"# 1 rows" in b"".join(pieces)
    assert open_cursors() == []


def test_a_reader_who_leaves_leaves_no_cursor_open(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_use()
    monkeypatch.setattr(files, "PIECE_CHARS", 1)
    answer = finance.get("/finance/usage/", {**RANGE, "file": "usage"})
    next(iter(answer))
    assert len(open_cursors()) == 1
    answer._iterator.close()  # type: ignore[attr-defined]
    assert open_cursors() == []


def test_what_is_refused_is_refused_before_the_file_begins(
    finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_use()
    asked = {**RANGE, "file": "usage"}
    unsorted = finance.get("/finance/usage/", {**asked, "sort": "colour"})

    def refuse(*_: object, **__: object) -> None:
        raise InvalidRequest("Ask for fewer days.", param="start")

    monkeypatch.setattr(streaming, "asking", refuse)
    refused = finance.get("/finance/usage/", asked)

    assert (unsorted.status_code, refused.status_code) == (400, 400)
    assert "no column to sort by" in text(unsorted.content)
    assert "Ask for fewer days." in text(refused.content)
