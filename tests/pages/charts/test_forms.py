"""Charts of every form: to scale, no wider than the page, true to their twin."""

from decimal import Decimal
from itertools import pairwise

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from pages.charts.ageing import Age, ageing
from pages.charts.bars import Bar, Gap, bars
from pages.charts.bridge import Step, bridge
from pages.charts.bullet import bullet
from pages.charts.columns import HEIGHT, Series, Slot, columns
from pages.charts.lines import WIDTH, Band, Line, lines
from pages.charts.measure import Measure
from pages.charts.scale import span

UNIT = 10**12
USD, TOKENS = Measure("USD"), Measure(noun="tokens")
MONTHS = [Slot(f"2026-{month:02}", f"{month:02}") for month in range(1, 13)]
VALUES = st.lists(st.none() | st.integers(-(10**16), 10**16), min_size=12, max_size=12)


def width(text: str) -> Decimal:
    """Return a length in percent."""
    return Decimal(text.removesuffix("%"))


@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_an_axis_holds_all_and_stands_on_zero(one: int, other: int) -> None:
    found = span(min(one, other), max(one, other))

    assert found[0] <= min(one, other, 0)
    assert found[-1] >= max(one, other, 0)
    assert 0 in found
    assert len({after - before for before, after in pairwise(found)}) == 1
    assert 2 <= len(found) <= 8


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_columns_stay_in_the_plot_and_say_what_their_twin_says(
    series: list[list[int | None]],
) -> None:
    found = columns(
        "spend",
        "Spend",
        USD,
        slots=MONTHS,
        series=[Series(f"s{n}", values, n) for n, values in enumerate(series)],
    )

    for at, column in enumerate(found.columns):
        for segment in column.segments:
            assert Decimal(segment.y) >= 0
            assert Decimal(segment.height) > 0
        known = [values[at] for values in series if values[at] is not None]
        total = found.twin.rows[at][-1]
        assert total.picos == (sum(n or 0 for n in known) if known else None)
        assert len([n for n in known if n]) == len(column.segments)


def test_what_lowers_a_sum_hangs_below_zero() -> None:
    sold = Series("Sold", [4 * UNIT, None], 1)
    discount = Series("Discounts", [-2 * UNIT, 0], 2)
    found = columns("c", "C", USD, slots=MONTHS[:2], series=[sold, discount])

    zero = Decimal(found.zero)
    up, down = found.columns[0].segments
    assert Decimal(up.y) + Decimal(up.height) == zero
    assert Decimal(down.y) == zero
    assert abs(Decimal(up.height) - 2 * Decimal(down.height)) < 1
    assert Decimal(down.y) + Decimal(down.height) <= HEIGHT
    assert [line.label for line in found.lines] == ["−2", "0", "2", "4"]
    assert found.columns[0].text.startswith("2026-01: 2.00 USD\nSold: 4.00 USD")
    assert found.twin.totals[0][-1].picos == 2 * UNIT


def test_what_is_not_known_is_no_zero() -> None:
    found = columns(
        "c", "C", TOKENS, slots=MONTHS[:2], series=[Series("Used", [None, 0])]
    )

    assert found.columns[0].text == "2026-01: no data"
    assert found.columns[1].text == "2026-02: 0 tokens"
    assert [row[1].shown for row in found.twin.rows] == ["no data", "0"]


def test_too_many_series_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="add the smallest up"):
        columns("c", "C", USD, slots=[], series=[Series("s", [])] * 6)
    with pytest.raises(ValueError, match="largest"):
        lines("c", "C", USD, slots=[], series=[Line("s", [])] * 5)
    with pytest.raises(ValueError, match="shades"):
        ageing("c", "C", USD, [Age("s", 1)] * 6)


@given(st.lists(st.integers(-(10**15), 10**15), max_size=8), st.integers(-UNIT, UNIT))
def test_a_bridge_adds_up_and_each_step_begins_where_the_last_ended(
    moves: list[int], opening: int
) -> None:
    steps = [Step(f"s{n}", value) for n, value in enumerate(moves)]
    closing = Step("Closing", opening + sum(moves))

    found = bridge(
        "b", "B", USD, opening=Step("Opening", opening), steps=steps, closing=closing
    )

    assert len(found.steps) == len(moves) + 2
    for step in found.steps:
        assert width(step.x) + width(step.width) <= Decimal("100.5")
    assert found.twin.totals[0][1].picos == closing.value
    with pytest.raises(ValueError, match="miss the closing by 1"):
        bridge(
            "b",
            "B",
            USD,
            opening=Step("Opening", opening),
            steps=steps,
            closing=Step("Closing", closing.value + 1),
        )


def test_a_bridge_says_which_way() -> None:
    found = bridge(
        "b",
        "B",
        USD,
        opening=Step("Opening", 10 * UNIT),
        steps=[Step("Sold", 5 * UNIT), Step("Used", -6 * UNIT), Step("Expired", 0)],
        closing=Step("Closing", 9 * UNIT),
    )

    assert [step.way for step in found.steps] == [
        "total",
        "rise",
        "fall",
        "none",
        "total",
    ]
    assert [step.text for step in found.steps][1:3] == ["+5.00 USD", "−6.00 USD"]
    assert width(found.steps[2].x) == width(found.steps[4].width)


def test_bars_are_to_scale_and_name_what_is_lost_between_them() -> None:
    found = bars(
        "f",
        "From metered to collected",
        USD,
        [
            Bar("Metered", 8 * UNIT, gaps=[Gap(2 * UNIT, "not rated yet", "/rows/")]),
            Bar("Rated", 6 * UNIT),
            Bar("Collected", 1),
            Bar("Refused", 0),
        ],
        heading="Stage",
    )

    assert [width(bar.width) for bar in found.bars[:2]] == [100, 75]
    assert width(found.bars[2].width) > 0
    assert width(found.bars[3].width) == 0
    assert found.bars[2].text == "< 0.01 USD"
    assert [row[0].shown for row in found.twin.rows][:2] == ["Metered", "not rated yet"]


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=5))
def test_ages_fill_the_row_and_nothing_more(values: list[int]) -> None:
    found = ageing("a", "A", USD, [Age(f"a{n}", each) for n, each in enumerate(values)])

    drawn = sum(width(age.width) for age in found.ages)
    assert drawn <= 100
    if any(value > 0 for value in values):
        assert drawn > Decimal("99.9")
    assert found.twin.totals[0][1].picos == sum(values)
    assert [age.step for age in found.ages][-1] == 5


@given(VALUES)
def test_a_line_breaks_where_nothing_is_known(values: list[int | None]) -> None:
    found = lines("l", "L", USD, slots=MONTHS, series=[Line("p50", values)])

    runs = "".join("x" if value is None else "." for value in values)
    assert len(found.drawn[0].runs) == len([run for run in runs.split("x") if run])
    for run in found.drawn[0].runs:
        for point in run.split():
            x, y = map(int, point.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT
    assert [row[1].picos for row in found.twin.rows] == values


def test_what_is_not_over_yet_is_dashed() -> None:
    slots = [*MONTHS[:2], Slot("2026-03", "03", is_running=True)]
    found = lines("l", "L", USD, slots=slots, series=[Line("s", [UNIT, UNIT, 0])])

    over, running = found.drawn
    assert (over.is_estimate, running.is_estimate) == (False, True)
    assert len(over.runs[0].split()) == len(running.runs[0].split()) == 2
    assert over.runs[0].split()[-1] == running.runs[0].split()[0]


def test_a_band_lies_around_its_estimate() -> None:
    slots = MONTHS[:3]
    found = lines(
        "l",
        "L",
        USD,
        slots=slots,
        series=[
            Line("So far", [UNIT, 2 * UNIT, None]),
            Line("Estimate", [None, 2 * UNIT, 4 * UNIT], 1, is_estimate=True),
        ],
        band=Band("Range", [None, 2 * UNIT, 3 * UNIT], [None, 2 * UNIT, 5 * UNIT]),
    )

    assert found.band.split()[1] == f"{WIDTH * 5 // 6},0"
    assert "Range: 3.00 USD to 5.00 USD" in found.reaches[2].text
    assert found.twin.headings[-2:] == ["Range, low", "Range, high"]


def test_a_bullet_says_how_close() -> None:
    near = bullet("Budget", USD, value=410 * UNIT, limit=500 * UNIT, warn_percent=80)
    past = bullet("Budget", USD, value=600 * UNIT, limit=500 * UNIT, ends="stopped")

    assert (near.tone, near.text) == ("wait", "82.0 % of 500.00 USD")
    assert (past.tone, past.mark) == ("bad", "83.333%")
    assert past.text.endswith(", stopped")
    assert bullet("Budget", USD, value=0, limit=0).tone == "bad"


@pytest.mark.parametrize(
    ("part", "drawing"),
    [
        (
            "columns",
            columns("c", "C", USD, slots=MONTHS, series=[Series("s", [UNIT] * 12)]),
        ),
        ("lines", lines("c", "C", USD, slots=MONTHS, series=[Line("s", [UNIT] * 12)])),
        ("bars", bars("c", "C", USD, [Bar("s", UNIT)], heading="Who")),
        ("ageing", ageing("c", "C", USD, [Age("s", UNIT)])),
        (
            "bridge",
            bridge("c", "C", USD, opening=Step("s", 0), steps=[], closing=Step("e", 0)),
        ),
    ],
)
def test_each_form_has_its_twin_on_the_page(part: str, drawing: object) -> None:
    page = render_to_string(f"pages/parts/{part}.html", {"chart": drawing})

    assert 'id="c-title"' in page
    assert "<caption>C</caption>" in page
    assert "{{" not in page
