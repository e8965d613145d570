"""Rotations at the same time: each key and token is replaced by one other."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections
from django.utils import timezone

from kit.errors import Conflict
from kit.orm.roles import OPERATOR, as_operator
from tenants import services
from tenants.models import ApiKey, ManagementToken
from tests.factories.tenants import make_key, make_token

pytestmark = pytest.mark.usefixtures("fresh_database")
WRITERS = 4


def outcomes_of(rotate: Callable[[], object]) -> list[str]:
    """Rotate in several threads at once; return how each ended."""
    outcomes: list[str] = []
    together = threading.Barrier(WRITERS)

    def one() -> None:
        with as_operator():
            try:
                together.wait(20)
                rotate()
                outcomes.append("rotated")
            except Conflict:
                outcomes.append("conflict")
            finally:
                connections[OPERATOR].close()

    threads = [threading.Thread(target=one) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


def test_of_rotations_of_a_key_at_once_one_wins() -> None:
    key = make_key().row
    ended = outcomes_of(lambda: services.rotate_key(api_key=key, now=timezone.now()))
    assert ended == ["conflict"] * (WRITERS - 1) + ["rotated"]
    with as_operator():
        assert ApiKey.objects.filter(replaces=key).count() == 1


def test_of_rotations_of_a_token_at_once_one_wins() -> None:
    token = make_token().row
    ended = outcomes_of(lambda: services.rotate_token(token=token, now=timezone.now()))
    assert ended == ["conflict"] * (WRITERS - 1) + ["rotated"]
    with as_operator():
        assert ManagementToken.objects.filter(replaces=token).count() == 1
