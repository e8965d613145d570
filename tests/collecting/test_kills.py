"""A few workers killed between invoices and their money: each once, on both sides.

`make stripe KILLS=500` kills hundreds.
"""

import pytest
from pytest_django import DjangoDbBlocker

from tests.collecting.kills import kill_workers, prepare
from tests.databases import cloned

KILLS = 6

pytestmark = pytest.mark.timeout(300)


def test_everything_is_once_when_workers_are_killed(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), cloned(postgres_server) as prepared:
        customers = prepare(prepared, tenants=6, buyers=2)
        found = kill_workers(prepared, customers, times=KILLS)
    assert found.wrong == []
    assert found.kills.total() >= KILLS
