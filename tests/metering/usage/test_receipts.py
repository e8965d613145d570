"""A receipt's lines are its charge, and it is its tenant's alone."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from kit.contracts import EventKind, TokenClass
from kit.errors import InvalidRequest, NotFound
from kit.handling import Handling, Keyed
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator, as_tenant
from metering.usage.receipts import Receipt, receipt
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

pytestmark = pytest.mark.usefixtures("fresh_database")
NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)


def a_use() -> Use:
    """Describe a request of a new tenant."""
    return make_use(price=make_price(), admitted_at=NOON)


def read(use: Use, request_id: object) -> Receipt:
    """Return a receipt as the tenant itself reads it."""
    with as_tenant(use.tenant_id):
        return receipt(tenant_id=use.tenant_id, request_id=request_id)  # type: ignore[arg-type]


def test_tokens_times_prices_are_the_charge() -> None:
    use = a_use()
    (event,) = commit(make_epoch(started_at=NOON), use)

    found = read(use, event.request_id)

    lines = {each.token_class: each for each in found.charge.lines}
    assert (lines[TokenClass.INPUT].tokens, lines[TokenClass.INPUT].unit_picos) == (
        100,
        3_000_000,
    )
    assert lines[TokenClass.CACHED_INPUT].unit_picos == 300_000
    assert lines[TokenClass.OUTPUT].charge_picos == 50 * 15_000_000
    assert found.charge.adds_up
    assert found.charge.charge_picos == found.request.net_charge_picos
    assert found.charge.version.number == 1
    assert found.settled_at == event.committed_at
    assert found.corrections == ()


def test_what_was_held_is_priced_at_its_dearest() -> None:
    noted = Handling(2, 200, 64, Keyed.FIRST)
    use = replace(a_use(), handling=noted)
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    # A correction has no say in what was done for the request.
    commit(epoch, replace(undoing(event, use), handling=Handling(9, 9, 9, Keyed.NONE)))

    found = read(use, event.request_id)

    assert found.handling == noted
    assert found.held_picos == 200 * 3_000_000 + 64 * 15_000_000


def test_what_nobody_noted_is_not_guessed() -> None:
    use = a_use()
    (event,) = commit(make_epoch(started_at=NOON), use)

    found = read(use, event.request_id)

    assert found.handling == Handling()
    assert found.held_picos is None


def test_corrections_stand_below_and_add_up_to_what_is_left() -> None:
    use = a_use()
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    commit(epoch, undoing(event, use))

    found = read(use, event.request_id)

    (given_back,) = found.corrections
    assert given_back.kind is EventKind.UNDELIVERED
    assert given_back.adds_up
    assert given_back.charge_picos == -found.charge.charge_picos
    assert found.request.net_charge_picos == 0


def test_it_is_its_tenants_and_its_projects_alone() -> None:
    use = a_use()
    (event,) = commit(make_epoch(started_at=NOON), use)
    other = make_tenant()

    with as_tenant(other.pk), pytest.raises(NotFound):
        receipt(tenant_id=other.pk, request_id=event.request_id)
    with as_tenant(other.pk), pytest.raises(InvalidRequest):
        receipt(tenant_id=use.tenant_id, request_id=event.request_id)
    with as_tenant(use.tenant_id), pytest.raises(NotFound):
        receipt(
            tenant_id=use.tenant_id,
            request_id=event.request_id,
            reach=frozenset({use.project_id + 1}),
        )
    with as_operator():
        found = receipt(tenant_id=use.tenant_id, request_id=event.request_id)
    assert found.request.request_id == event.request_id


def test_the_database_tells_nobody_what_others_were_charged_by() -> None:
    use = a_use()
    (event,) = commit(make_epoch(started_at=NOON), use)
    other = make_tenant()
    asked: list[Any] = [use.tenant_id, event.request_id]
    found = []
    for tenant_id in (use.tenant_id, other.pk):
        with as_tenant(tenant_id), cursor() as session:
            session.execute("SELECT price_id FROM usage_prices_of(%s, %s)", asked)
            found.append([price_id for (price_id,) in session.fetchall()])
    assert found == [[use.price.id], []]


def test_a_correction_is_no_request() -> None:
    use = a_use()
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    (correction,) = commit(epoch, undoing(event, replace(use)))

    with pytest.raises(NotFound):
        read(use, correction.request_id)
