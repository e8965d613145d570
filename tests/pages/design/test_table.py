"""A table: what sorts and pages it, what its rows consist of, and its file."""

import csv
import hashlib
import io
from base64 import b64decode
from dataclasses import dataclass, field

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidRequest
from pages.design.badges import Badge, Tone
from pages.design.cells import Kind, minor, money, number, state, words
from pages.design.files import file_of, wants_file
from pages.design.states import Empty
from pages.design.table import Column, LaidOut, Table
from tests.pages.reading import tables

PICOS = 10**12


@dataclass(frozen=True)
class Sold:
    """A row: somebody, how much, how often."""

    name: str
    picos: int
    requests: int | None = None
    parts: tuple["Sold", ...] = field(default=())


TABLE: Table[Sold] = Table(
    name="sold",
    title="Sold",
    columns=(
        Column("tenant", "Tenant", lambda row: words(row.name), sort=lambda r: r.name),
        Column(
            "amount",
            "Amount, USD",
            lambda row: money(row.picos, "USD"),
            Kind.NUMBER,
            sort=lambda row: row.picos,
        ),
        Column(
            "requests",
            "Requests",
            lambda row: number(row.requests or 0),
            Kind.NUMBER,
            sort=lambda row: row.requests,
        ),
        Column("state", "State", lambda row: state(Badge("paid", Tone.GOOD))),
    ),
    usual_sort="-amount",
    rows_per_page=3,
    key=lambda row: row.name,
    parts=lambda row: row.parts,
    empty=Empty("Nobody bought", "All of November was looked at."),
)
ROWS = [
    Sold("b", 2 * PICOS, 1),
    Sold("a", 5 * PICOS, None, (Sold("a1", 3 * PICOS), Sold("a2", 2 * PICOS))),
    Sold("d", PICOS // 1000, 3),
    Sold("c", 2 * PICOS, 2),
]


def names(found: LaidOut) -> list[str]:
    """Return the first cell of each row."""
    return [line.cells[0].shown for line in found.lines]


def shown(found: LaidOut) -> bytes:
    """Return a table as its template shows it."""
    return render_to_string("pages/parts/table.html", {"table": found}).encode()


def test_all_rows_are_sorted_before_a_page_of_them_is_shown() -> None:
    first = TABLE.laid_out(ROWS, {})
    second = TABLE.laid_out(ROWS, {"page": "2"})

    assert names(first) == ["a", "b", "c"]
    assert names(second) == ["d"]
    assert (first.pager.first, first.pager.last, first.pager.count) == (1, 3, 4)
    assert first.pager.previous == ""
    assert first.pager.next == "?page=2#sold"
    assert second.pager.previous == "?#sold"


def test_a_page_past_the_last_shows_the_last() -> None:
    assert names(TABLE.laid_out(ROWS, {"page": "9"})) == ["d"]


def test_a_selector_that_pages_is_taken_at_its_word() -> None:
    found = TABLE.laid_out(ROWS[:1], {"page": "2"}, count=4)

    assert names(found) == ["b"]
    assert TABLE.asked({"page": "2"}).offset(3) == 3


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("tenant", ["a", "b", "c"]),
        ("-tenant", ["d", "c", "b"]),
        ("amount", ["d", "b", "c"]),
        ("-requests", ["d", "c", "b"]),
        ("requests", ["b", "c", "d"]),
    ],
)
def test_a_column_sorts_both_ways_and_none_comes_last(
    sort: str, expected: list[str]
) -> None:
    assert names(TABLE.laid_out(ROWS, {"sort": sort})) == expected
    last = TABLE.in_order(ROWS, TABLE.asked({"sort": sort}))[-1]
    assert "requests" not in sort or last.requests is None


def test_a_heading_leads_to_its_other_way_and_to_the_first_page() -> None:
    found = TABLE.laid_out(ROWS, {"sort": "-tenant", "page": "2", "tenant": "x"})

    tenant, amount, requests, unsorted = found.headings
    assert (tenant.sorted, tenant.address) == (
        "descending",
        "?sort=tenant&tenant=x#sold",
    )
    assert amount.address == "?tenant=x#sold"
    assert requests.address == "?sort=-requests&tenant=x#sold"
    assert unsorted.address == ""


@pytest.mark.parametrize(
    "query",
    [
        *({"sort": "nothing"}, {"sort": "state"}, {"page": "0"}),
        *({"page": "two"}, {"page": "٣"}, {"page": "9" * 30}, {"page": "9" * 5000}),
    ],
)
def test_what_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        TABLE.laid_out(ROWS, query)


def test_a_row_opens_to_what_it_consists_of_and_closes_again() -> None:
    closed = TABLE.laid_out(ROWS, {})
    opened = TABLE.laid_out(ROWS, {"open": "a"})

    assert closed.lines[0].toggle == "?open=a#sold"
    assert closed.lines[0].parts == []
    assert closed.lines[1].toggle == ""
    assert opened.lines[0].toggle == "?#sold"
    assert [part[0].shown for part in opened.lines[0].parts] == ["a1", "a2"]


def test_amounts_of_a_column_have_equally_many_places_the_total_too() -> None:
    total = {"tenant": words("Total"), "amount": money(9 * PICOS + 10**9, "USD")}
    found = TABLE.laid_out(ROWS, {}, totals=[total])

    places = {
        len(f"{cells[1].shown}{cells[1].fine}".partition(".")[2])
        for cells in [*(line.cells for line in found.lines), *found.totals]
    }
    # The finest amount is on the next page; the total needs its digits.
    assert places == {3}
    assert found.totals[0][1].value == "9.001"
    assert found.totals[0][2].shown == ""


def test_several_tables_of_a_page_have_parameters_of_their_own() -> None:
    other = Table(
        name="bought", title="Bought", columns=TABLE.columns, is_one_of_many=True
    )

    found = other.laid_out(ROWS, {"sort": "nothing", "bought-sort": "-tenant"})

    assert names(found)[0] == "d"
    assert "bought-sort=tenant" in found.headings[0].address


def test_the_page_shows_the_rows_and_says_how_they_are_sorted() -> None:
    total = {"tenant": words("Total"), "amount": money(9 * PICOS, "USD")}
    page = shown(TABLE.laid_out(ROWS, {"open": "a"}, totals=[total]))

    (rows,) = tables(page).values()
    assert [row[0] for row in rows] == ["Tenant", "a", "a1", "a2", "b", "c", "Total"]
    assert rows[1][1] == "5.00"
    assert b'aria-sort="descending"' in page
    assert b"1 to 3 of 4" in page
    assert b"paid" in page


def test_a_table_without_rows_says_why() -> None:
    found = TABLE.laid_out([], {})

    page = shown(found)
    assert b"Nobody bought" in page
    assert b"<table" not in page
    assert b"CSV" not in page


@given(
    st.lists(
        st.builds(
            Sold,
            st.text(st.characters(codec="utf-8"), max_size=8),
            st.integers(-(10**18), 10**18),
            st.none() | st.integers(0, 10**9),
        ),
        max_size=12,
    )
)
def test_the_file_holds_every_row_in_the_order_of_the_page(rows: list[Sold]) -> None:
    answer = file_of(TABLE, rows, {"sort": "-requests", "file": "sold"}, name="sold")

    read = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))
    in_order = TABLE.in_order(rows, TABLE.asked({"sort": "-requests"}))
    assert read[0] == ["tenant", "amount", "requests", "state"]
    assert [line[2] for line in read[1:]] == [
        f"{row.requests or 0}" for row in in_order
    ]
    assert int(answer["X-Row-Count"]) == len(rows) == len(read) - 1
    digest = answer["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
    assert b64decode(digest) == hashlib.sha256(answer.content).digest()


def test_a_file_is_asked_for_by_the_name_of_its_table() -> None:
    found = TABLE.laid_out(ROWS, {"page": "2", "sort": "tenant"})

    assert found.file == "?sort=tenant&file=sold"
    assert wants_file(TABLE, {"file": "sold"})
    assert not wants_file(TABLE, {"file": "others"})


def test_no_spreadsheet_takes_a_name_for_a_formula() -> None:
    answer = file_of(TABLE, [Sold("=1+1", 0)], {}, name="sold")

    assert answer.content.splitlines()[1].startswith(b"'=1+1,0.00,")


def test_invoiced_amounts_keep_the_places_of_their_minor_unit() -> None:
    assert minor(120_000, "USD").shown == "1,200.00"
    assert minor(120_000, "USD").value == "1200.00"
    assert minor(1_200, "JPY").value == "1200"
