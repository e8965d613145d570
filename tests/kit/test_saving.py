"""Two writers of one value end as one row and one `Conflict`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from tenants import services
from tenants.models import Tenant
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.tenants import make_tenant


@pytest.mark.usefixtures("fresh_database")
def test_the_second_of_two_at_once_is_a_conflict() -> None:
    with ThreadPoolExecutor(1) as pool, as_operator():
        with atomic():
            make_tenant(slug="acme")
            # Its validation sees no such slug yet; its insert waits for ours.
            second = pool.submit(
                as_another_operator,
                lambda: services.create_tenant(slug="acme", name="Second"),
            )
            wait_until_blocked()
        assert isinstance(second.result(timeout=30), Conflict)
        assert Tenant.objects.count() == 1
