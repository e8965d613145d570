"""Amounts of audited changes are told with their currency, instants on clocks."""

import pytest

from tenants.audit import telling


@pytest.mark.parametrize(
    ("name", "value", "currency", "told"),
    [
        ("amount_minor", 123_450, "USD", "1,234.50 USD"),
        ("fee_minor", 500, "JPY", "500 JPY"),
        ("left_minor", -5, "EUR", "-0.05 EUR"),
        ("amount_picos", "12345500000000000", "USD", "12,345.50 USD"),
        ("fee_minor", 500, "", "500 minor units"),
        ("amount_minor", None, "USD", None),
        ("position", 3, "USD", None),
        ("by_minor", True, "USD", None),
        ("note_minor", "a few", "USD", None),
    ],
)
def test_an_amount_is_told_in_units(
    name: str, value: object, currency: str, told: str | None
) -> None:
    assert telling.amount(name, value, currency) == told


def test_a_change_says_its_own_currency_or_has_the_tenants() -> None:
    assert telling.currency_of({}, {"currency": "EUR"}, otherwise="USD") == "EUR"
    assert telling.currency_of({"currency": None}, {}, otherwise="USD") == "USD"


def test_fields_are_called_without_their_unit() -> None:
    names = ("amount_minor", "amount_picos", "project_id", "ends_at")
    assert [telling.called(name) for name in names] == [
        "amount",
        "amount",
        "project",
        "ends at",
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("2026-11-24T09:05:41.683292+00:00", "2026-11-24 14:50:41"),
        ("2026-11-24T23:05:41Z", "2026-11-25 04:50:41"),
        ("2026-11-24", None),
        ("2026-11-24T09:05:41", None),
        ("2026-13-24T09:05:41Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("at noon", None),
        (20261124, None),
    ],
)
def test_an_instant_is_told_on_a_tenants_clocks(
    value: object, told: str | None
) -> None:
    assert telling.instant(value, "Asia/Kathmandu") == told
