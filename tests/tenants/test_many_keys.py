"""A tenant has no more keys than gateways shall hold of one."""

import datetime as dt

import pytest
from django.utils import timezone

from kit.acting import acting_as
from kit.errors import Conflict
from tenants import services
from tenants.services import keys
from tests.factories.tenants import make_project
from tests.tenants.test_keys import issue, program

pytestmark = pytest.mark.usefixtures("operator_db")


def test_a_tenant_has_so_many_keys_that_have_not_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys, "KEYS_MAX", 2)
    project, now = make_project(), timezone.now()
    with acting_as(program(project)):
        first, second = issue(project), issue(project)
        with pytest.raises(Conflict, match="revoke some"):
            issue(project)
        with pytest.raises(Conflict, match="revoke some"):
            # Both would work during the overlap.
            services.rotate_key(api_key=first, now=now, overlap=dt.timedelta(hours=1))
        services.revoke_key(api_key=second, now=now)
        services.rotate_key(api_key=first, now=now, overlap=dt.timedelta())
        issue(project)
    issue(make_project())
