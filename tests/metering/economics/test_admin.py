"""Operators' pages of economics: a rate is entered as people write it, and stays."""

import pytest

from kit.money import picos_from_decimal
from metering.economics.models import CostRate
from tests.admin import page, signed_in, submit, words

pytestmark = pytest.mark.usefixtures("operator_db")
ENTERED = {
    "level": "all",
    "subject": "",
    "starts_on": "2026-11-01",
    "currency": "USD",
    "tokens_per_s": "2500",
    "input_permille": "200",
    "cached_permille": "20",
    "note": "Lease of June",
}


def test_a_rate_is_entered_and_ended_by_the_next() -> None:
    admin = signed_in()
    submit(admin, page("economics_costrate", "add"), {**ENTERED, "amount": "2.49"})
    (row,) = CostRate.objects.all()
    assert row.picos_per_hour == picos_from_decimal("2.49")
    shown = words(admin.get(page("economics_costrate", "change", row.pk)).content)
    assert "2.49 USD" in shown
    submit(admin, page("economics_costrate", "add"), {**ENTERED, "amount": ""})
    assert CostRate.objects.filter(picos_per_hour=None).count() == 1


def test_what_is_no_amount_is_refused_beside_its_field() -> None:
    admin = signed_in()
    bad = {**ENTERED, "amount": "2,49"}
    answer = admin.post(page("economics_costrate", "add"), bad)
    assert "is not an amount" in words(answer.content)
    assert not CostRate.objects.exists()
