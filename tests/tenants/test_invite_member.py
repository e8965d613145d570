"""The command that invites a tenant's first owner."""

import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from tenants import invitation_links as links
from tenants.models import Invitation
from tests.factories.tenants import make_member, make_project, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


def test_it_invites_an_owner_and_shows_no_link(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.EMAIL_IS_SET = True
    tenant = make_tenant(slug="acme")
    call_command("invite_member", "--tenant", "acme", "--email", "Ada@acme.example")
    row = Invitation.objects.get(tenant=tenant)
    assert (row.email, row.role) == ("ada@acme.example", "owner")
    printed = capsys.readouterr()
    assert "ada@acme.example as owner" in printed.out
    assert links.text_of(row.nonce) not in printed.out
    assert printed.err == ""


def test_it_says_when_no_mail_can_go(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.EMAIL_IS_SET = False
    tenant = make_tenant()
    call_command("invite_member", "--tenant", tenant.slug, "--email", "a@b.example")
    assert "EMAIL_HOST" in capsys.readouterr().err


def test_it_answers_with_json_for_a_developer_of_projects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = make_project(slug="web")
    options = ("--tenant", project.tenant.slug, "--project", "web", "--json")
    who = ("--email", "ada@acme.example", "--role", "developer")
    call_command("invite_member", *options, *who)
    answer = json.loads(capsys.readouterr().out)
    row = Invitation.objects.get(pk=answer["id"])
    assert row.project_ids == [project.pk]
    assert answer["expires_at"] == row.expires_at.isoformat()


def test_it_refuses_in_one_line() -> None:
    member = make_member(email="ada@acme.example")
    who = ("--tenant", member.tenant.slug, "--email", "ada@acme.example")
    with pytest.raises(CommandError, match="member's already"):
        call_command("invite_member", *who)
    with pytest.raises(CommandError, match="no tenant 'nobody'"):
        call_command("invite_member", "--tenant", "nobody", "--email", "a@b.example")
