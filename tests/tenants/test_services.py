"""Writes of tenants, projects and API keys, against PostgreSQL."""

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from kit import api_keys
from kit.errors import Conflict, InvalidRequest, PlatformError
from kit.orm.roles import OPERATOR
from tenants import selectors, services
from tenants.models import ApiKey, Project, Tenant
from tests.factories.tenants import default_project, make_key, make_project, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

LATER = timezone.now() + dt.timedelta(days=30)


def test_a_tenant_starts_active_with_a_default_project() -> None:
    tenant = services.create_tenant(slug="acme", name="Acme", currency="EUR")
    assert tenant.state == Tenant.State.ACTIVE
    assert tenant.created_at <= timezone.now()
    assert default_project(tenant).archived_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "Acme"),
        ("slug", "-acme"),
        ("slug", "acme\n"),
        ("slug", "a" * 64),
        ("slug", ""),
        ("name", ""),
        ("name", "n" * 201),
        ("currency", "euro"),
        ("currency", "eur"),
        ("zone", "Mars/Olympus"),
        ("zone", "Factory"),
        ("zone", "localtime"),
        ("period_day", 0),
        ("period_day", 29),
        ("billing_email", "nobody"),
    ],
)
def test_a_value_out_of_form_names_its_field(field: str, value: str | int) -> None:
    values: dict[str, Any] = {"slug": "acme", "name": "Acme", field: value}
    with pytest.raises(InvalidRequest) as refused:
        services.create_tenant(**values)
    assert refused.value.param == field
    assert not Tenant.objects.filter(slug=values["slug"]).exists()


def test_a_taken_slug_is_a_conflict_and_leaves_nothing() -> None:
    make_tenant(slug="acme")
    with pytest.raises(Conflict) as refused:
        services.create_tenant(slug="acme", name="Other")
    assert refused.value.param == "slug"
    assert Project.objects.count() == 1


def test_an_update_changes_what_is_named_only() -> None:
    tenant = make_tenant(slug="acme", name="Acme", billing_email="a@example.com")
    changed = services.update_tenant(tenant=tenant, name="New", zone="Asia/Tokyo")
    assert (changed.name, changed.zone) == ("New", "Asia/Tokyo")
    assert changed.billing_email == "a@example.com"
    with pytest.raises(InvalidRequest):
        services.update_tenant(tenant=tenant, zone="nowhere")
    assert Tenant.objects.get(pk=tenant.pk).zone == "Asia/Tokyo"


def test_suspending_and_restoring_are_idempotent() -> None:
    tenant = make_tenant()
    for _ in range(2):
        suspended = services.suspend_tenant(tenant=tenant)
        assert suspended.state == Tenant.State.SUSPENDED
    for _ in range(2):
        restored = services.restore_tenant(tenant=tenant)
        assert restored.state == Tenant.State.ACTIVE


def test_project_slugs_are_unique_in_one_tenant_only() -> None:
    one, other = make_tenant(), make_tenant()
    make_project(tenant=one, slug="web")
    make_project(tenant=other, slug="web")
    with pytest.raises(Conflict) as refused:
        services.create_project(tenant=one, slug="web", name="Again")
    assert refused.value.param == "slug"


def test_archiving_keeps_the_first_instant() -> None:
    project = make_project()
    now = timezone.now()
    services.archive_project(project=project, now=now)
    services.archive_project(project=project, now=LATER)
    project.refresh_from_db()
    assert project.archived_at == now


def test_a_key_is_stored_as_its_digest_and_what_may_be_shown() -> None:
    issued = make_key(name="laptop")
    row = ApiKey.objects.get(pk=issued.row.pk)
    assert api_keys.is_well_formed(issued.key)
    assert row.digest == api_keys.digest(issued.key, settings.API_KEY_SECRET)
    assert row.shown == api_keys.shown(issued.key)


def test_a_key_stands_in_no_table_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    issued = make_key()
    assert issued.key not in repr(issued)
    assert issued.key not in caplog.text
    secret = issued.key.removeprefix(api_keys.PREFIX)
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
            " AND c.relkind IN ('r', 'p') AND has_table_privilege(c.oid, 'SELECT')"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert "tenants_apikey" in tables
        for table in tables:
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", [f"%{secret}%"]
            )
            assert cursor.fetchone() == (0,), table


def test_a_key_goes_to_a_project_of_its_tenant_only() -> None:
    tenant, foreign = make_tenant(), make_project()
    with pytest.raises(InvalidRequest) as refused:
        services.issue_key(tenant=tenant, project=foreign, name="key")
    assert refused.value.param == "project"
    assert ApiKey.objects.count() == 0


def test_an_archived_project_gets_no_key() -> None:
    project = make_project()
    services.archive_project(project=project, now=timezone.now())
    with pytest.raises(InvalidRequest) as refused:
        services.issue_key(tenant=project.tenant, project=project, name="key")
    assert refused.value.param == "project"


def test_an_expiry_must_be_in_the_future() -> None:
    project = make_project()
    past = timezone.now() - dt.timedelta(minutes=1)
    with pytest.raises(InvalidRequest) as refused:
        services.issue_key(
            tenant=project.tenant, project=project, name="key", expires_at=past
        )
    assert refused.value.param == "expires_at"
    assert ApiKey.objects.count() == 0


def test_revoking_keeps_the_first_instant() -> None:
    row = make_key().row
    now = timezone.now()
    services.revoke_key(api_key=row, now=now)
    again = services.revoke_key(api_key=row, now=LATER)
    assert again.revoked_at == now


def test_a_revoked_key_does_not_change() -> None:
    row = make_key().row
    renamed = services.update_key(api_key=row, name="other", expires_at=LATER)
    assert (renamed.name, renamed.expires_at) == ("other", LATER)
    services.revoke_key(api_key=row, now=timezone.now())
    with pytest.raises(Conflict):
        services.update_key(api_key=row, name="again")


def test_lists_are_narrowed_by_what_is_given() -> None:
    now = timezone.now()
    tenant = make_tenant(slug="acme")
    project = make_project(tenant=tenant)
    archived = make_project(tenant=tenant)
    live = make_key(tenant=tenant).row
    revoked = make_key(project=project).row
    services.revoke_key(api_key=revoked, now=now)
    closed = make_key(project=archived).row
    services.archive_project(project=archived, now=now)
    foreign, suspended = make_key().row, make_key().row
    services.suspend_tenant(tenant=suspended.tenant)
    assert set(selectors.api_keys(now=now, active=True)) == {live, foreign}
    assert set(selectors.api_keys(now=now, tenant_id=tenant.pk, active=False)) == {
        revoked,
        closed,
    }
    assert list(selectors.api_keys(now=now, project_id=project.pk)) == [revoked]
    assert list(selectors.projects(tenant_id=tenant.pk, archived=True)) == [archived]
    assert list(selectors.tenants(slug="acme", state="active")) == [tenant]
    assert list(selectors.tenants(state="suspended")) == [suspended.tenant]


@pytest.mark.parametrize(
    "look",
    [
        lambda: selectors.tenant(9_999_999),
        lambda: selectors.tenant_by_slug("nobody"),
        lambda: selectors.project(9_999_999),
        lambda: selectors.api_key(9_999_999),
    ],
)
def test_what_is_not_there_is_not_found(look: Callable[[], object]) -> None:
    with pytest.raises(PlatformError) as refused:
        look()
    assert refused.value.status == 404
