"""Rows by their spend: whoever spent nothing stands between gain and loss."""

import itertools

import pytest

from kit.orm.roles import as_operator
from pages.console.spending import BySpend, Spending
from tenants.models import ApiKey
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.mark.parametrize("is_falling", [True, False])
def test_every_page_is_that_of_all_of_them_sorted(is_falling: bool) -> None:
    tenant = make_tenant()
    rows = [make_key(tenant=tenant).row for _ in range(7)]
    amounts = (0, 5, -3, 0, 9, 5, 0)
    picos = {row.pk: amount for row, amount in zip(rows, amounts, strict=True)}
    found = Spending(span=None, picos=picos | {0: 4}, fresh=None)  # type: ignore[arg-type]
    whole = sorted(
        sorted(picos, reverse=True), key=lambda pk: picos[pk], reverse=is_falling
    )
    with as_operator():
        keys = ApiKey.objects.filter(tenant=tenant)
        by_spend = BySpend(keys, found, is_falling=is_falling)
        for start, stop in itertools.combinations(range(9), 2):
            page = [row.pk for row in by_spend[start:stop]]
            assert page == whole[start:stop], (start, stop)
        without = BySpend(keys, None, is_falling=is_falling)
        assert [row.pk for row in without[:9]] == sorted(picos, reverse=True)
