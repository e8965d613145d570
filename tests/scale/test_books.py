"""A small installation through all steps: every side of the books says the same."""

from tests.databases import Database
from tests.scale.course import run
from tests.scale.sizes import Scale

SMALL = Scale(events=6_000, tenants=12, workers=0)


def test_events_rollups_ledger_and_invoices_are_equal(
    fresh_database: Database,
) -> None:
    course = run(fresh_database, SMALL)
    assert course.books.differences == dict.fromkeys(course.books.differences, 0)
    assert course.books.events == SMALL.events
    assert course.books.invoices
