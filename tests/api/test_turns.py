"""Writes of one tenant take turns from their beginning, so that none holds up another.

A request that has locked a row and then waits for its turn could hold what the one
whose turn it is needs: PostgreSQL would end one of the two. Operators take none: what
they lock, they lock in the order in which tenants do.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from kit.orm.atomic import atomic
from kit.orm.audited import take_turn
from kit.orm.roles import APP, OPERATOR, as_operator
from tenants import services
from tenants.models import ApiKey, AuditEntry
from tests.concurrency import wait_until_blocked
from tests.factories.tenants import make_key, make_token


@pytest.fixture
def key(fresh_database: object) -> ApiKey:
    """Provide a key that two will write."""
    return make_key().row


def revoking(key: ApiKey) -> Callable[[], int]:
    """Return a request of the tenant to revoke its key."""
    token = make_token(tenant=key.tenant).token

    def revoke() -> int:
        try:
            client = Client(headers={"Authorization": f"Bearer {token}"})
            return client.post(f"/api/v1/keys/{key.pk}/revoke/").status_code
        finally:
            for alias in (APP, OPERATOR):
                connections[alias].close()

    return revoke


def test_a_write_that_waits_for_its_turn_holds_nothing(key: ApiKey) -> None:
    revoke = revoking(key)
    with ThreadPoolExecutor(1) as pool:
        with as_operator(), atomic():
            take_turn(key.tenant_id)
            waiting = pool.submit(revoke)
            wait_until_blocked()
            ApiKey.objects.select_for_update(nowait=True).get(pk=key.pk)
        assert waiting.result(timeout=30) == 200


def test_a_write_whose_turn_it_is_keeps_no_operator_from_the_audit(key: ApiKey) -> None:
    revoke = revoking(key)
    with ThreadPoolExecutor(1) as pool:
        with as_operator(), atomic():
            row = ApiKey.objects.select_for_update().get(pk=key.pk)
            waiting = pool.submit(revoke)
            wait_until_blocked()
            # The tenant waits for the row: the audit must not wait for the tenant.
            services.disable_key(api_key=row, now=timezone.now())
        assert waiting.result(timeout=30) == 200
    with as_operator():
        told = AuditEntry.objects.filter(object_kind="api_key").order_by("seq")
        assert [entry.action for entry in told][-2:] == ["disable", "revoke"]
