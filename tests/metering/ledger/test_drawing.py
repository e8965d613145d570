"""Credit that burned: booked once, shown on one bill, in the one order."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError

from kit.errors import Conflict, InvalidRequest
from metering.ledger import services
from metering.ledger.models import (
    CreditAccount,
    CreditBurn,
    CreditDraw,
    CreditGrant,
    Transaction,
)
from metering.ledger.services import Drawn, Part
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tenants.services import set_payment_mode
from tests.factories.tenants import make_tenant
from tests.metering.ledger.test_credit import (
    DAY,
    UNIT,
    books,
    give,
    limit,
    prepaid,
    spend,
)

pytestmark = pytest.mark.usefixtures("operator_db")


def draw(
    tenant: Tenant, *parts: tuple[str | None, int], source: str = "bill", **more: Any
) -> list[tuple[int, str | None, int]]:
    """Draw credit for a bill; return grant, model and picos of each."""
    found = services.draw_credit(
        tenant=tenant,
        parts=[Part(model, picos) for model, picos in parts],
        source=source,
        now=database_now(),
        **more,
    )
    return [(each.grant_id, each.model, each.picos) for each in found]


def booked(grant: CreditGrant) -> tuple[int, int, int]:
    """Return what burned of a grant, what of it is booked, and the sum of burns."""
    grant.refresh_from_db()
    burns = CreditBurn.objects.filter(grant=grant)
    picos = sum(burn.amount_picos for burn in burns)
    return grant.burned_picos, grant.booked_picos, picos


def test_what_burned_is_booked_once() -> None:
    tenant = prepaid()
    first = give(tenant, 10)
    charge = spend(tenant)
    assert services.book_burns(tenant_id=tenant.pk, now=database_now()) == 1
    assert services.book_burns(tenant_id=tenant.pk, now=database_now()) == 0
    assert booked(first) == (charge, charge, charge)
    assert books(tenant) == {
        "cash": 10 * UNIT,
        "wallet": -(10 * UNIT - charge),
        "accrued": -charge,
    }
    spend(tenant)
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    assert booked(first) == (2 * charge, 2 * charge, 2 * charge)
    assert Transaction.objects.filter(kind="burn").count() == 2


def test_what_is_charged_back_is_booked_as_burned_no_more() -> None:
    tenant = prepaid()
    paid, gift = give(tenant, 10), give(tenant, 5, "b", source="promotional")
    charge = spend(tenant)
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    services.reverse_credit(
        grant=paid, amount_picos=10 * UNIT, reversal="charge_back", now=database_now()
    )
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    assert (booked(paid), booked(gift)) == ((0, 0, 0), (charge, charge, charge))
    assert books(tenant) == {
        "accrued": -charge,
        "promotional_credit": -(5 * UNIT - charge),
        "discounts": 5 * UNIT,
    }


def test_a_prepaid_tenants_bill_shows_what_burned_and_no_more() -> None:
    tenant = prepaid()
    gift, paid = give(tenant, 1, source="promotional"), give(tenant, 10, "b")
    gift.refresh_from_db()
    charge = spend(tenant)
    assert draw(tenant, ("m", charge), (None, UNIT)) == [(gift.pk, "m", charge)]
    assert draw(tenant, (None, 7), source="next") == []
    assert booked(paid) == (0, 0, 0)


def test_a_bill_smaller_than_what_burned_leaves_the_rest_to_the_next_one() -> None:
    tenant = prepaid()
    grant = give(tenant, 10)
    charge = spend(tenant)
    assert draw(tenant, ("m", charge - 5)) == [(grant.pk, "m", charge - 5)]
    assert draw(tenant, ("m", 100), source="next") == [(grant.pk, "m", 5)]


def test_a_postpaid_tenants_credit_burns_as_its_bill_is_made() -> None:
    tenant = make_tenant()
    gift = give(tenant, 1, source="promotional", priority=1)
    paid = give(tenant, 10, "b")
    spend(tenant)
    found = draw(tenant, ("m", 3 * UNIT), (None, UNIT))
    assert found == [
        (gift.pk, "m", UNIT),
        (paid.pk, None, UNIT),
        (paid.pk, "m", 2 * UNIT),
    ]
    assert booked(gift) == (UNIT, UNIT, UNIT)
    assert booked(paid) == (3 * UNIT, 3 * UNIT, 3 * UNIT)
    assert books(tenant) == {
        "cash": 10 * UNIT,
        "wallet": -7 * UNIT,
        "discounts": UNIT,
        "accrued": -4 * UNIT,
    }
    transaction = Transaction.objects.get(kind="burn")
    assert transaction.source == "bill"


def test_the_same_bill_again_draws_nothing_more() -> None:
    tenant = make_tenant()
    give(tenant, 10)
    first = draw(tenant, ("m", UNIT))
    assert draw(tenant, ("m", 5 * UNIT)) == first
    assert Transaction.objects.filter(kind="burn").count() == 1


def test_drawn_credit_does_not_come_back_as_the_tenant_pays_in_advance() -> None:
    tenant = make_tenant()
    give(tenant, 10)
    before = spend(tenant)
    draw(tenant, ("m", before), (None, 4 * UNIT))
    tenant = set_payment_mode(tenant=tenant, payment_mode="prepaid")
    left = 10 * UNIT - 4 * UNIT - before
    assert limit(tenant) == before + left
    burned = spend(tenant)
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    assert CreditGrant.objects.get().burned_picos == before + 4 * UNIT + burned
    account = CreditAccount.objects.get(tenant_id=tenant.pk)
    assert account.base_picos == -4 * UNIT


def test_credit_with_a_scope_pays_for_its_models_and_no_others() -> None:
    tenant = make_tenant()
    scoped = give(tenant, 5, for_models=["m", "n"])
    broad = give(tenant, 5, "b", priority=1)
    parts = (("m", 4 * UNIT), ("x", 4 * UNIT), (None, UNIT))
    # Credit for anything goes first, and leaves what the other one can pay for.
    assert draw(tenant, *parts) == [
        (broad.pk, None, UNIT),
        (broad.pk, "x", 4 * UNIT),
        (scoped.pk, "m", 4 * UNIT),
    ]
    assert draw(tenant, ("x", UNIT), source="next") == []
    assert draw(tenant, ("n", 2 * UNIT), source="last") == [(scoped.pk, "n", UNIT)]


def test_use_by_itself_burns_no_credit_with_a_scope() -> None:
    tenant = prepaid()
    spend(tenant)
    tenant = set_payment_mode(tenant=tenant, payment_mode="postpaid")
    scoped = give(tenant, 5, for_models=["m"])
    broad = give(tenant, 5, "b", priority=1000)
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    # What was used without credit while prepaid falls on the credit that comes.
    assert (booked(scoped)[0], booked(broad)[0] > 0) == (0, True)


def test_a_prepaid_tenant_takes_no_credit_with_a_scope() -> None:
    with pytest.raises(InvalidRequest, match="admits every model"):
        give(prepaid(), 5, for_models=["m"])
    tenant = make_tenant()
    scoped = give(tenant, 5, for_models=["m"])
    with pytest.raises(Conflict, match="end it first"):
        set_payment_mode(tenant=tenant, payment_mode="prepaid")
    services.end_credit(grant=scoped, now=database_now())
    set_payment_mode(tenant=tenant, payment_mode="prepaid")


def test_what_was_charged_back_after_a_bill_is_on_the_next_one() -> None:
    tenant = make_tenant()
    paid = give(tenant, 10)
    draw(tenant, ("m", 6 * UNIT))
    services.reverse_credit(
        grant=paid, amount_picos=10 * UNIT, reversal="charge_back", now=database_now()
    )
    assert draw(tenant, source="a month without use") == []
    assert draw(tenant, ("m", UNIT), source="next") == [(paid.pk, None, -6 * UNIT)]
    assert booked(paid) == (0, 0, 0)
    assert books(tenant) == {}


def test_what_was_charged_back_is_paid_by_other_credit() -> None:
    tenant = make_tenant()
    paid, other = give(tenant, 10), give(tenant, 4, "b", for_models=["m"])
    draw(tenant, (None, 6 * UNIT))
    services.reverse_credit(
        grant=paid, amount_picos=9 * UNIT, reversal="charge_back", now=database_now()
    )
    assert booked(other)[0] == 0
    assert draw(tenant, ("m", UNIT), source="next") == [
        (paid.pk, None, -5 * UNIT),
        (other.pk, "m", UNIT),
    ]


def test_what_was_billed_is_not_paid_by_later_credit_once_more() -> None:
    tenant = prepaid()
    first = give(tenant, 10)
    services.end_credit(grant=first, now=database_now())
    beyond = spend(tenant)
    assert draw(tenant, ("m", beyond)) == []
    give(tenant, 5, "b")
    assert limit(tenant) == beyond + 5 * UNIT
    services.book_burns(tenant_id=tenant.pk, now=database_now())
    assert not CreditBurn.objects.exists()


@pytest.mark.parametrize("parts", [[], [("m", 0)], [("m", 5), ("n", -5)]])
def test_a_bill_that_comes_to_nothing_draws_nothing(
    parts: list[tuple[str | None, int]],
) -> None:
    tenant = make_tenant()
    grant = give(tenant, 10)
    assert draw(tenant, *parts) == []
    assert booked(grant) == (0, 0, 0)


def test_credit_pays_for_the_period_in_which_it_runs_out() -> None:
    tenant, now = make_tenant(), database_now()
    grant = give(tenant, 10, expires_at=now + dt.timedelta(milliseconds=1))
    later = give(tenant, 10, "b", expires_at=now + 9 * DAY)
    assert services.settle_credit(now=now + 10 * DAY) == 0
    ends_at = now + DAY
    assert draw(tenant, ("m", UNIT), ends_at=ends_at) == [(grant.pk, "m", UNIT)]
    grant.refresh_from_db()
    later.refresh_from_db()
    assert (grant.expired_at, grant.expired_picos) == (ends_at, 9 * UNIT)
    assert later.expired_at is None


def test_burns_and_draws_stay_as_they_are() -> None:
    tenant = make_tenant()
    give(tenant, 10)
    draw(tenant, ("m", UNIT))
    with pytest.raises(Exception, match="permission denied"):
        CreditDraw.objects.update(amount_picos=1)


def test_no_more_is_booked_than_was_granted() -> None:
    grant = give(make_tenant(), 10)
    with pytest.raises(IntegrityError, match="credit_grant_books_its_own"):
        CreditGrant.objects.filter(pk=grant.pk).update(booked_picos=10 * UNIT + 1)


def test_a_draw_names_its_grant() -> None:
    tenant = make_tenant()
    grant = give(tenant, 10, "payment 7")
    (found,) = services.draw_credit(
        tenant=tenant, parts=[Part("m", 5)], source="a", now=database_now()
    )
    assert found == Drawn(grant.pk, "top-up (paid for), payment 7", 5, "m")
