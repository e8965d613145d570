"""A tenant sees its own rows; without a tenant the app role sees none."""

import pytest
from django.db import ProgrammingError

from kit.orm.roles import as_operator, as_tenant
from tenants.models import ApiKey, Project, Tenant
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")


def test_a_tenant_sees_its_own_rows_only() -> None:
    one, other = make_tenant(), make_tenant()
    make_key(tenant=one)
    make_key(tenant=other)
    with as_tenant(one.pk):
        assert list(Tenant.objects.all()) == [one]
        assert {project.tenant_id for project in Project.objects.all()} == {one.pk}
        assert {key.tenant_id for key in ApiKey.objects.all()} == {one.pk}
    assert ApiKey.objects.count() == 0
    with as_operator():
        assert ApiKey.objects.count() == 2


def test_a_tenant_cannot_change_what_it_is() -> None:
    tenant = make_tenant()
    with pytest.raises(ProgrammingError), as_tenant(tenant.pk):
        Tenant.objects.update(state=Tenant.State.ACTIVE)
