"""The commands that issue tokens and narrow keys, and that revoke a leaked key."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from kit import api_keys
from tenants.models import ApiKey, ManagementToken
from tests.factories.control import make_model
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


def test_issue_key_takes_rights(capsys: pytest.CaptureFixture[str]) -> None:
    tenant, model = make_tenant(), make_model().name
    rights = ("--scope", "embed", "--model", model, "--network", "192.0.2.7")
    options = ("--tenant", tenant.slug, "--name", "batch", *rights)
    call_command("issue_key", *options, "--days", "30", "--json")
    row = ApiKey.objects.get(pk=json.loads(capsys.readouterr().out)["id"])
    assert (row.scopes, row.allowed_models) == (["embed"], [model])
    assert row.allowed_networks == ["192.0.2.7/32"]
    assert row.expires_at
    assert (row.expires_at - timezone.now()).days == 29


def test_issue_token_prints_an_operators_or_a_tenants(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("issue_token", "--name", "deploy", "--scope", "operate:read")
    text = capsys.readouterr().out.strip()
    assert api_keys.is_well_formed(text, api_keys.OPERATOR_TOKEN_PREFIX)
    tenant = make_tenant()
    options = ("--tenant", tenant.slug, "--name", "report", "--scope", "usage:read")
    call_command("issue_token", *options, "--days", "7", "--json")
    row = ManagementToken.objects.get(pk=json.loads(capsys.readouterr().out)["id"])
    assert (row.tenant, row.scopes) == (tenant, ["usage:read"])
    with pytest.raises(CommandError, match="cannot hold 'operate:read'"):
        call_command("issue_token", *options, "--scope", "operate:read")


def test_revoke_key_by_id_and_by_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_id, leaked = make_key().row, make_key()
    call_command("revoke_key", "--id", str(by_id.pk), "--json")
    assert json.loads(capsys.readouterr().out)["id"] == by_id.pk
    monkeypatch.setattr("sys.stdin", io.StringIO(leaked.key + "\n"))
    call_command("revoke_key", "--stdin")
    printed = capsys.readouterr().out
    assert leaked.key not in printed
    assert ApiKey.objects.exclude(revoked_at=None).count() == 2
    monkeypatch.setattr("sys.stdin", io.StringIO(api_keys.generate()))
    with pytest.raises(CommandError, match="no API key of this text"):
        call_command("revoke_key", "--stdin")
