"""The commands that create tenants and issue keys."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from kit import api_keys
from kit.orm.roles import current_alias
from tenants.models import ApiKey, Tenant
from tests.factories.tenants import make_project, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


def test_create_tenant_says_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--slug", "acme", "--name", "Acme", "--currency", "EUR", "--json")
    call_command("create_tenant", *options, "--zone", "Europe/Berlin")
    tenant = Tenant.objects.get(slug="acme")
    assert json.loads(capsys.readouterr().out) == {"id": tenant.pk, "slug": "acme"}
    assert (tenant.currency, tenant.zone) == ("EUR", "Europe/Berlin")


def test_create_tenant_is_refused_in_one_line() -> None:
    make_tenant(slug="acme")
    with pytest.raises(CommandError, match="already a tenant with this slug"):
        call_command("create_tenant", "--slug", "acme", "--name", "Acme")


def test_issue_key_prints_the_key_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tenant = make_tenant()
    call_command("issue_key", "--tenant", tenant.slug, "--name", "laptop")
    printed = capsys.readouterr()
    assert api_keys.is_well_formed(printed.out.removesuffix("\n"))
    assert printed.err == ""
    assert ApiKey.objects.get(name="laptop").project.slug == "default"


def test_issue_key_as_json_for_a_project(capsys: pytest.CaptureFixture[str]) -> None:
    project = make_project(slug="web")
    options = ("--tenant", project.tenant.slug, "--project", "web", "--json")
    call_command("issue_key", *options, "--name", "ci")
    answer = json.loads(capsys.readouterr().out)
    row = ApiKey.objects.get(pk=answer["id"])
    assert row.project == project
    assert row.shown == api_keys.shown(answer["key"])


@pytest.mark.parametrize(
    ("tenant", "project", "message"),
    [
        ("nobody", "default", "There is no tenant 'nobody'."),
        ("acme", "nothing", "Tenant 'acme' has no project 'nothing'."),
    ],
)
def test_issue_key_says_what_is_not_there(
    tenant: str, project: str, message: str
) -> None:
    make_tenant(slug="acme")
    with pytest.raises(CommandError, match=message):
        call_command(
            "issue_key", "--tenant", tenant, "--project", project, "--name", "x"
        )
    assert current_alias() == "operator"
