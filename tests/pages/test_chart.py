"""Stacked columns and their table twin: the same figures, zeros too, in one order."""

from decimal import Decimal

from hypothesis import given

from pages.finance.chart import HEIGHT, Chart, Column, chart
from pages.finance.choice import Show
from pages.finance.stack import Stack
from pages.finance.twin import twin
from tests.pages.test_stack import MODELS, ROWS, UNIT, Rows, stacked


def drawn(rows: Rows) -> Chart:
    """Draw usage of one currency."""
    (stack,) = stacked(rows)
    return chart(stack)


def heights(column: Column) -> list[Decimal]:
    """Return how high the segments of a column are, from the bottom."""
    return [Decimal(segment.height) for segment in column.segments]


def test_columns_stand_on_zero_to_the_scale_of_round_numbers() -> None:
    found = drawn([(1, "model-a", "USD", 3 * UNIT), (3, "model-a", "USD", UNIT)])

    assert [line.label for line in found.lines] == ["0", "1", "2", "3"]
    assert [Decimal(line.y) for line in found.lines][::3] == [HEIGHT, 0]
    assert heights(found.columns[0]) == [HEIGHT]
    assert abs(heights(found.columns[2])[0] * 3 - HEIGHT) < 1


def test_days_without_use_have_no_segment_but_a_place_and_a_word() -> None:
    found = drawn([(1, "model-a", "USD", UNIT)])

    assert [column.segments for column in found.columns[1:]] == [[]] * 4
    assert found.columns[1].text == "2026-11-02: 0.00 USD"


def test_the_day_that_is_not_over_is_marked_and_days_to_come_are_not_drawn() -> None:
    found = drawn([(5, "model-a", "USD", UNIT)])

    assert [column.is_running for column in found.columns] == [False] * 4 + [True]
    assert found.columns[4].text == "2026-11-05, so far: 1.00 USD"
    assert found.has_running
    assert found.slot_width == "14.285%"


@given(ROWS)
def test_no_column_leaves_the_plot_and_no_segment_another(rows: Rows) -> None:
    for stack in stacked(rows):
        for column in chart(stack).columns:
            below = Decimal(HEIGHT)
            for segment in column.segments:
                top = Decimal(segment.y)
                assert 0 <= top < below
                assert top + Decimal(segment.height) <= below
                below = top
            assert Decimal(column.top) == below
            assert Decimal(column.height) == HEIGHT - below


def test_a_trifle_is_seen_and_a_credit_is_no_segment() -> None:
    found = drawn(
        [
            (1, "model-a", "USD", 1),
            (2, "model-a", "USD", UNIT),
            (3, "model-a", "USD", -1),
        ]
    )

    assert heights(found.columns[0]) == [1]
    assert found.columns[2].segments == []
    assert found.columns[2].text.endswith("-0.000000000001 USD")


def test_a_column_says_what_it_is_made_of_exactly() -> None:
    found = drawn([(1, "model-a", "USD", UNIT), (1, "model-b", "USD", UNIT // 8)])

    assert found.columns[0].text.splitlines() == [
        "2026-11-01: 1.125 USD",
        "model-a: 1.00 USD",
        "model-b: 0.125 USD",
    ]


def test_the_sentence_tells_the_sum_and_the_peak() -> None:
    found = drawn([(2, "model-a", "USD", 2 * UNIT), (3, "model-b", "USD", UNIT)])

    assert found.title == "Spend in USD by day, by model"
    assert found.sentence == (
        "3.00 USD from 2026-11-01 to 2026-11-05. Highest day 2026-11-02: 2.00 USD."
    )
    assert [(key.name, key.total) for key in found.legend] == [
        ("model-a", "2.00 USD"),
        ("model-b", "1.00 USD"),
    ]


def told(stack: Stack) -> list[list[str]]:
    """Return what the columns of a chart say of each series, zeros left out."""
    return [column.text.splitlines() for column in chart(stack).columns]


@given(ROWS)
def test_the_twin_has_the_figures_of_the_chart_in_its_order(rows: Rows) -> None:
    for show in Show:
        for stack in stacked(rows, show=show):
            table = twin(stack)
            assert [line[0].rpartition(": ")[0] for line in told(stack)] == [
                row.name for row in table.rows
            ]
            assert table.names == [key.name for key in chart(stack).legend]
            scale = 12 if show is Show.SPEND else 0
            for number, row in enumerate(table.rows):
                shown = [_read(figure.value, scale) for figure in row.figures]
                assert shown == [series.values[number] for series in stack.series]
                assert sum(shown) == _read(row.total.value, scale)
            sums = [_read(figure.value, scale) for figure in table.total.figures]
            assert sums == [series.total for series in stack.series]


def _read(value: str, scale: int) -> int:
    return int(Decimal(value).scaleb(scale))


def test_all_amounts_of_a_twin_have_equally_many_places() -> None:
    rows = [(1, MODELS[0], "USD", UNIT), (2, MODELS[1], "USD", UNIT // 1000)]
    (stack,) = stacked(rows)

    table = twin(stack)

    shown = [
        figure.plain + figure.fine
        for row in (*table.rows, table.total)
        for figure in (*row.figures, row.total)
    ]
    assert {len(text.partition(".")[2]) for text in shown} == {3}
    assert table.caption == chart(stack).title
