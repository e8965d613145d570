"""A small course: what is billed is collected at a Stripe, and both sides are equal.

`make stripe` does the same at any size.
"""

import pytest
from pytest_django import DjangoDbBlocker

from tests.collecting.course import run
from tests.databases import cloned

TENANTS = 12

pytestmark = pytest.mark.timeout(300)


def test_what_is_billed_is_collected(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        course = run(database, tenants=TENANTS)
    assert course.wrong == []
    assert course.invoices == TENANTS
    assert course.limit_errors == 0
