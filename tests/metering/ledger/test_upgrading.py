"""Books that are kept already get the numbers of their postings, and go on from there.

The schema of before is made from nothing, as installations had it, and written to
through the models of that time.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import Error, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max
from pytest_django import DjangoDbBlocker

from kit.orm.roles import OWNER, as_operator
from metering.ledger.models import Account, CreditGrant, DayPosting
from metering.ledger.selectors import balances
from tests.databases import Database, drop, empty, pointed_at

BEFORE = ("ledger", "0006_credit_in_use")
TENANTS, DAYS = (3, 8), 40
AT = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def upgraded(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Provide a database with the books of two tenants, taken to the latest schema."""
    database = empty(postgres_server)
    try:
        with django_db_blocker.unblock(), pointed_at(database):
            call_command("migrate", *BEFORE, verbosity=0)
            executor = MigrationExecutor(connections[OWNER])
            keep_books(executor.loader.project_state([BEFORE]).apps)
            call_command("migrate", "ledger", verbosity=0)
            yield database
    finally:
        drop(postgres_server, name=database.name)


def keep_books(apps: Any) -> None:
    """Post days of two tenants in turn, by the models of before."""
    model = {
        name: apps.get_model("ledger", name).objects.using(OWNER)
        for name in ("Account", "Transaction", "Entry", "DayPosting", "CreditGrant")
    }
    for tenant_id in TENANTS:
        model["CreditGrant"].create(
            tenant_id=tenant_id,
            source="promotional",
            amount_picos=10,
            burned_picos=4,
            currency="USD",
            reference="a gift",
        )
    for day in range(DAYS):
        for tenant_id in TENANTS:
            at = AT + dt.timedelta(days=day)
            made = model["Transaction"].create(
                tenant_id=tenant_id, kind="usage", source=f"day {day}", occurred_at=at
            )
            sides = [
                model["Entry"].model(
                    tenant_id=tenant_id,
                    transaction=made,
                    account=model["Account"].get_or_create(
                        tenant_id=tenant_id, kind=kind, currency="USD"
                    )[0],
                    amount_picos=picos,
                )
                for kind, picos in (("accrued", 7), ("revenue", -7))
            ]
            model["Entry"].bulk_create(sides)
            model["DayPosting"].create(
                tenant_id=tenant_id,
                date=at.date(),
                price_id=1,
                token_class=1,
                revision=1,
                quantity=7,
                charge_picos=7,
                transaction=made,
            )


def test_postings_of_before_are_numbered_once_and_the_next_one_follows(
    upgraded: Database,
) -> None:
    with as_operator():
        numbers = set(DayPosting.objects.values_list("id", flat=True))
        assert len(numbers) == len(TENANTS) * DAYS
        last = DayPosting.objects.aggregate(last=Max("id"))["last"]
        old = DayPosting.objects.select_related("transaction").order_by("-date")[0]
        new = DayPosting.objects.create(
            tenant_id=old.tenant_id,
            date=old.date,
            price_id=1,
            token_class=1,
            revision=2,
            quantity=1,
            charge_picos=1,
            transaction=old.transaction,
        )
        new.refresh_from_db()
        assert new.id > last


def test_what_was_kept_is_as_it_was_and_stays_append_only(upgraded: Database) -> None:
    with as_operator():
        for tenant_id in TENANTS:
            found = balances(tenant_id=tenant_id, at=AT + dt.timedelta(days=DAYS))
            assert found[Account.Kind.ACCRUED, "USD"].picos == 7 * DAYS
        for grant in CreditGrant.objects.all():
            assert (grant.burned_picos, grant.booked_picos) == (4, 0)
            assert grant.for_models == []
        for statement in ("UPDATE ledger_dayposting SET id = 1", "DELETE FROM"):
            sql = statement if "SET" in statement else f"{statement} ledger_dayposting"
            with pytest.raises(Error), transaction.atomic(using="operator"):
                connections["operator"].cursor().execute(sql)
