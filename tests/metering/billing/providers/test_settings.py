"""Settings of the providers: a wrong one stops the start with one line."""

import json

import pytest

from config.env import load
from config.env_billing import BillingSettings


def test_stripe_without_a_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_PROVIDER", "stripe")
    monkeypatch.setenv("STRIPE_API_KEY", "")
    with pytest.raises(SystemExit) as stop:
        load(BillingSettings)
    reason = "is not set, and BILLING_PROVIDER is stripe"
    assert stop.value.code == f"tollgate: STRIPE_API_KEY: {reason}"
    monkeypatch.setenv("STRIPE_API_KEY", "rk_test_any")
    assert load(BillingSettings).billing_provider == "stripe"


def test_offline_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRIPE_API_KEY", raising=False)
    monkeypatch.setenv("BILLING_PROVIDER", "offline")
    assert load(BillingSettings).stripe_api_key.get_secret_value() == ""


def test_two_webhook_secrets_at_most_and_none_is_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", "whsec_new, whsec_old")
    assert load(BillingSettings).webhook_secrets == ("whsec_new", "whsec_old")
    monkeypatch.delenv("STRIPE_WEBHOOK_SECRETS")
    assert load(BillingSettings).webhook_secrets == ()
    for wrong in (
        ",",
        "whsec_new,",
        "whsec_",
        "rk_live_key",
        "whsec_1,whsec_2,whsec_3,whsec_4,whsec_5",
    ):
        monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", wrong)
        with pytest.raises(SystemExit, match="STRIPE_WEBHOOK_SECRETS: give "):
            load(BillingSettings)


def test_meters_are_named_by_what_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert list(load(BillingSettings).meters) == [
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
    ]
    monkeypatch.setenv("STRIPE_METERS", "requests=calls, output_tokens=my.output")
    assert load(BillingSettings).meters == {
        "requests": "calls",
        "output_tokens": "my.output",
    }
    for wrong in ("tokens=a", "requests", "requests=", "requests=a b"):
        monkeypatch.setenv("STRIPE_METERS", wrong)
        with pytest.raises(SystemExit, match="is no meter"):
            load(BillingSettings)
    for twice in ("requests=a,requests=b", "requests=a,output_tokens=a"):
        monkeypatch.setenv("STRIPE_METERS", twice)
        with pytest.raises(SystemExit, match="more than once"):
            load(BillingSettings)


def test_further_accounts_are_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"api_key": "rk_live_eu", "currencies": ["EUR"], "automatic_tax": True}
    monkeypatch.setenv("STRIPE_ACCOUNTS", json.dumps({"europe": given}))
    assert load(BillingSettings).further_accounts == {
        "europe": {
            "api_key": "rk_live_eu",
            "webhook_secrets": (),
            "account_id": "",
            "currencies": ("EUR",),
            "automatic_tax": True,
            "meter_events": False,
        }
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "an account by each name"),
        ('{"default": {}}', "none of them 'default'"),
        ('{"eu": {"currencies": ["EUR"]}}', "eu.api_key: Field required"),
        ('{"eu": {"api_key": "", "currencies": ["EUR"]}}', "eu.api_key"),
        ('{"eu": {"api_key": "5ecret", "currencies": ["eur"]}}', "codes such as EUR"),
        ('{"eu": {"api_key": "5ecret", "currencies": []}}', "eu.currencies"),
        (
            '{"eu": {"api_key": "5ecret", "currencies": ["EUR"],'
            ' "webhook_secrets": [""]}}',
            "whsec_",
        ),
        (
            '{"eu": {"api_key": "5ecret", "currencies": ["EUR"]},'
            ' "at": {"api_key": "5ecret", "currencies": ["EUR"]}}',
            "lists EUR more than once",
        ),
        ('{"eu": {"api_key": "5ecret", "currencies": ["EUR"], "tax": 1}}', "eu.tax"),
    ],
)
def test_a_wrong_account_stops_the_start_and_shows_no_key(
    text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_ACCOUNTS", text)
    with pytest.raises(SystemExit) as stop:
        load(BillingSettings)
    assert str(stop.value.code).startswith("tollgate: STRIPE_ACCOUNTS: ")
    assert why in str(stop.value.code)
    assert "5ecret" not in str(stop.value.code)
