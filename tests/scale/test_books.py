"""A small installation: all books equal, also where workers are killed on the way.

`make books` does the same at any size; `make books KILLS=500` kills hundreds.
"""

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.databases import Database, cloned
from tests.scale.console import FEW_PAIRS, look_at_the_console
from tests.scale.course import run
from tests.scale.events import prepare
from tests.scale.kills import kill_workers
from tests.scale.reading import look_at_the_books, look_up
from tests.scale.server import copied
from tests.scale.sizes import MONTHS, Scale, closes_at
from tests.scale.world import World, make_world

SMALL = Scale(events=4_000, tenants=10, workers=0)
KILLED = Scale(events=900, tenants=10, workers=0)
KILLS = 10

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def made(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[tuple[Database, World]]:
    """Provide an installation that nobody has used yet."""
    with django_db_blocker.unblock(), cloned(postgres_server) as prepared:
        prepare(prepared, world := make_world(SMALL))
        yield prepared, world


def test_events_rollups_ledger_and_invoices_are_equal(
    made: tuple[Database, World], django_db_blocker: DjangoDbBlocker
) -> None:
    prepared, world = made
    with django_db_blocker.unblock(), copied(prepared) as database:
        course = run(database, world, SMALL)
        waited = look_up(now=closes_at(len(MONTHS) - 1))
        waited += look_at_the_books()
        waited += look_at_the_console(pairs=FEW_PAIRS)
    assert course.books.differences == dict.fromkeys(course.books.differences, 0)
    assert course.books.events == SMALL.events
    assert course.books.invoices
    assert all(each.slowest_ms > 0 for each in waited)


def test_nothing_is_lost_or_double_when_workers_are_killed(
    made: tuple[Database, World], django_db_blocker: DjangoDbBlocker
) -> None:
    prepared, world = made
    with django_db_blocker.unblock():
        found = kill_workers(prepared, world, KILLED, times=KILLS)
    assert found.wrong == []
    assert found.kills.total() == KILLS
