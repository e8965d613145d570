"""Settings: a wrong one stops the start with one line that names it."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from config.env import (
    GROUPS,
    DatabaseSettings,
    GatewaySettings,
    LogSettings,
    WebSettings,
    load,
)
from config.env_base import Settings

ROOT = Path(__file__).resolve().parents[2]
SECRET = "do-not-show-this-to-anybody-0123456789"


def refused(group: type[Settings]) -> str:
    """Return the line that loading this group ends with."""
    with pytest.raises(SystemExit) as ended:
        load(group)
    line = str(ended.value.code)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (GatewaySettings, "PORT", "http"),
        (GatewaySettings, "PORT", "65536"),
        (GatewaySettings, "BODY_BYTES_MAX", "0"),
        (DatabaseSettings, "DATABASE_URL", "mysql://127.0.0.1/tollgate"),
        (WebSettings, "DEBUG", "perhaps"),
        (LogSettings, "LOG_STYLE", "xml"),
        (GatewaySettings, "TRUSTED_PROXIES", "10.0.0.1, proxy.example"),
        (GatewaySettings, "TRUSTED_PROXIES", "10.0.0.1/8"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    group: type[Settings], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert refused(group).startswith(f"tollgate: {name}: ")


def test_a_missing_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    assert refused(DatabaseSettings) == "tollgate: DATABASE_URL: is not set"


def test_a_password_is_quoted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://boss:p%40ss@db/gate")
    address = load(DatabaseSettings).url_for("app")
    assert address == "postgresql://tollgate_app:p%40ss@db/gate"


def test_the_other_roles_take_the_owners_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://boss:word@db:5433/gate?x=1")
    settings = load(DatabaseSettings)
    assert settings.url_for("app") == (
        "postgresql://tollgate_app:word@db:5433/gate?x=1"
    )
    monkeypatch.setenv("DATABASE_GATEWAY_URL", "postgresql://pooler/gate")
    assert load(DatabaseSettings).url_for("gateway") == "postgresql://pooler/gate"


def test_every_setting_is_listed_and_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("settings", json=True)
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    declared = {name.upper() for group in GROUPS for name in group.model_fields}
    assert declared | {"STATE_DIR", "GATEWAYS", "ENGINE_URL"} <= set(listed)
    assert [name for name, one in listed.items() if not one["description"]] == []
    assert listed["PORT"]["default"] == "8000"
    assert listed["DATABASE_URL"]["required"]
    assert listed["LOG_STYLE"]["type"] == "json | console"


@pytest.mark.parametrize("as_json", [True, False])
def test_the_list_never_shows_a_secret(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KEY_PEPPER", "SECRET_KEY", "OPERATOR_TOKEN", "STRIPE_API_KEY"):
        monkeypatch.setenv(name, SECRET)
    call_command("settings", json=as_json)
    shown = capsys.readouterr().out
    assert "KEY_PEPPER" in shown
    assert SECRET not in shown
