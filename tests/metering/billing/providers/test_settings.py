"""Settings of the providers: a wrong one stops the start with one line."""

import pytest

from config.env import BillingSettings, load


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
