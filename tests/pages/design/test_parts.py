"""Cells, tiles, states, headings: what they say; nothing passes for zero."""

import datetime as dt

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string

from pages.design.address import address, query_of
from pages.design.badges import Badge, Tone, invoice_badge
from pages.design.cells import nothing, percent, percent_text
from pages.design.filters import FilterForm, MonthField
from pages.design.heading import Crumb, Heading, fresh
from pages.design.sections import Group, Section, links
from pages.design.tiles import Tile, minor_tile, missing_tile, money_tile, percent_tile

NOW = dt.datetime(2026, 11, 21, 13, 30, tzinfo=dt.UTC)
PICOS = 10**12


def tiles(*some: Tile) -> str:
    """Return tiles as their template shows them."""
    return render_to_string("pages/parts/tiles.html", {"tiles": some})


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (1, 2000, "0.1"),
        (1, 2001, "0.0"),
        (-1, 3, "-33.3"),
        (1, -3, "-33.3"),
        (-1, 100_000, "0.0"),
        (5000, 1, "500,000.0"),
        (0, 7, "0.0"),
        (7, 0, ""),
    ],
)
def test_a_share_is_rounded_half_up_without_a_float(
    part: int, whole: int, text: str
) -> None:
    assert percent_text(part, whole) == text


def test_without_a_base_there_is_no_percent() -> None:
    assert percent(3, 0) == nothing("no base")
    assert percent_tile("Margin", 3, 0).is_missing


def test_a_tile_opens_its_rows_and_says_what_it_exactly_is() -> None:
    page = tiles(money_tile("Revenue", PICOS + 1, "USD", address="/rows/"))

    assert 'href="/rows/"' in page
    assert "exactly 1.000000000001 USD" in page
    assert 'aria-label="Revenue: 1.00 USD"' in page


def test_a_trifle_and_what_is_not_there_are_no_zero() -> None:
    assert money_tile("Revenue", 1, "USD").shown == "< 0.01"
    assert "0" not in missing_tile("Margin", "no cost rate yet").shown
    assert minor_tile("Due", 0, "USD").shown == "0.00"


def test_a_badge_says_by_its_shape_what_it_says_by_colour() -> None:
    shapes = {
        render_to_string("pages/parts/badge.html", {"badge": Badge("state", tone)})
        .partition("<svg")[2]
        .partition("</svg>")[0]
        for tone in Tone
    }

    assert len(shapes) == len(Tone)
    assert invoice_badge("unheard-of").tone is Tone.PLAIN


def test_an_address_leaves_out_what_is_empty() -> None:
    query = query_of(QueryDict("by=tenant&page=2&name=a%00b"))

    assert query["name"] == "a\N{REPLACEMENT CHARACTER}b"
    assert address(query, page="", name="", sort="-net") == "?by=tenant&sort=-net"


def test_a_heading_says_its_scope_and_when_it_lags() -> None:
    found = Heading(
        "Revenue",
        scope=("November 2026, so far", "UTC", "USD", "excluding tax"),
        crumbs=(Crumb("Finance", "/finance/"),),
        fresh=fresh(NOW - dt.timedelta(minutes=5), now=NOW, waiting="3 events waiting"),
    )

    page = render_to_string("pages/parts/heading.html", {"heading": found})
    assert "November 2026, so far · UTC · USD · excluding tax" in page
    assert "2026-11-21 13:25:00 UTC</time>; 3 events waiting:" in page
    assert "fresh lags" in page
    assert not fresh(NOW, now=NOW).lags


class Months(FilterForm):
    """A form of one month."""

    names_in_address = {"first": "from"}

    first = MonthField(required=False)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "1999-12", "٢٠٢٦-11", "0000-01"])
def test_a_month_that_is_none_is_refused_beside_its_field(text: str) -> None:
    asked = QueryDict(mutable=True)
    asked["from"] = text
    form = Months(asked)

    assert not form.is_valid()
    page = render_to_string("pages/parts/filters.html", {"form": form, "action": "/"})
    assert 'class="wrong"' in page


def test_a_month_is_its_first_day_and_is_shown_as_it_was_written() -> None:
    form = Months(QueryDict("from=2026-11"))

    assert form.is_valid()
    assert form.cleaned_data["first"] == dt.date(2026, 11, 1)
    assert 'value="2026-11"' in str(form["first"])
    assert 'name="from"' in str(form["first"])


def test_the_navigation_shows_what_one_may_open_and_marks_where_one_is() -> None:
    groups = (
        Group("Earned", (Section("Usage", "usage", ("see",), covers=("invoice",)),)),
        Group("Owed", (Section("Receivables", "receivables", ("collect",)),)),
    )

    found = links(
        groups,
        open_name="invoice",
        may=lambda rights: "see" in rights,
        address=lambda name: f"/books/{name}/",
    )

    assert [title for title, _ in found] == ["Earned"]
    assert found[0][1][0].is_current
    assert found[0][1][0].address == "/books/usage/"
