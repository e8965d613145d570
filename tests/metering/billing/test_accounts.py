"""Which account of the provider an invoice goes to."""

import pytest
from django.test import override_settings

from metering.billing.accounts import (
    Account,
    UnknownAccount,
    account_for,
    account_name_for,
    account_named,
    accounts,
)

EUROPE = {
    "api_key": "rk_live_eu",
    "webhook_secrets": ("whsec_eu",),
    "account_id": "acct_eu",
    "currencies": ("EUR", "CHF"),
    "automatic_tax": True,
    "meter_events": False,
}
TWO = override_settings(
    STRIPE_API_KEY="rk_test_us",
    STRIPE_WEBHOOK_SECRETS=("whsec_us",),
    STRIPE_ACCOUNT_ID="acct_us",
    STRIPE_ACCOUNTS={"europe": EUROPE},
)


@TWO
def test_the_account_that_lists_a_currency_takes_it() -> None:
    assert account_for("EUR").name == account_for("CHF").name == "europe"
    assert account_for("USD").name == account_name_for("GBP") == "default"


@TWO
def test_an_account_is_what_the_settings_say() -> None:
    assert accounts() == (
        Account("default", "rk_test_us", ("whsec_us",), "acct_us"),
        Account(
            "europe",
            "rk_live_eu",
            ("whsec_eu",),
            "acct_eu",
            frozenset({"EUR", "CHF"}),
            automatic_tax=True,
        ),
    )
    assert [account.is_live for account in accounts()] == [False, True]


@TWO
def test_no_text_of_an_account_shows_its_secrets() -> None:
    assert "rk_" not in repr(accounts())
    assert "whsec" not in repr(accounts())


@override_settings(STRIPE_API_KEY="", STRIPE_ACCOUNTS={"europe": EUROPE})
def test_an_account_that_is_gone_is_unknown() -> None:
    assert account_name_for("USD") == "default"
    for name in ("default", "asia"):
        with pytest.raises(UnknownAccount, match=name):
            account_named(name)
