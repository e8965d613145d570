"""Writes of one tenant take turns from their beginning, so that none holds up another.

A request that has locked a row and then waits for its turn could hold what the one
whose turn it is needs: PostgreSQL would end one of the two.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.test import Client

from kit.orm.atomic import atomic
from kit.orm.roles import APP, OPERATOR, as_operator
from tenants.models import ApiKey, AuditHead
from tests.concurrency import wait_until_blocked
from tests.factories.tenants import make_key, make_token


@pytest.mark.usefixtures("fresh_database")
def test_a_write_that_waits_for_its_turn_holds_nothing() -> None:
    key = make_key().row
    token = make_token(tenant=key.tenant).token

    def revoke() -> int:
        try:
            client = Client(headers={"Authorization": f"Bearer {token}"})
            return client.post(f"/api/v1/keys/{key.pk}/revoke/").status_code
        finally:
            for alias in (APP, OPERATOR):
                connections[alias].close()

    with ThreadPoolExecutor(1) as pool:
        with as_operator(), atomic():
            AuditHead.objects.select_for_update().get(pk=key.tenant_id)
            waiting = pool.submit(revoke)
            wait_until_blocked()
            ApiKey.objects.select_for_update(nowait=True).get(pk=key.pk)
        assert waiting.result(timeout=30) == 200
