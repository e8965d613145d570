"""A few workers killed in `make test`; `make books KILLS=500` kills hundreds."""

import pytest
from pytest_django import DjangoDbBlocker

from tests.scale.kills import kill_workers
from tests.scale.sizes import Scale

SMALL = Scale(events=900, tenants=3, workers=0)
TIMES = 12

pytestmark = pytest.mark.timeout(240)


def test_nothing_is_lost_or_double_when_workers_are_killed(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        found = kill_workers(postgres_server, SMALL, times=TIMES)
    assert found.wrong == []
    assert found.kills.total() == TIMES
