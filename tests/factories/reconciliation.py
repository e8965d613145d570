"""Books with something in every place, and a way to break them that no service has.

Two tenants, one of them in another zone and currency, used September: it is closed and
invoiced. In October one day is posted, the next is rolled up, the last only metered.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg

from kit.contracts import TokenCounts
from kit.orm.atomic import cursor
from kit.orm.roles import as_operator
from metering.billing import services as billing
from metering.budgets.recalling import hold_credit
from metering.ledger.services import post_days
from metering.usage.models import Epoch
from metering.usage.services import make_partitions, roll_up
from tests.databases import Database
from tests.factories.billing import CLOSED, STARTED, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

DAY = dt.timedelta(days=1)
FIRST_DATE = STARTED.date()
SEPTEMBER = STARTED + 9 * DAY
OCTOBER = STARTED + 31 * DAY
NOW = OCTOBER + 5 * DAY
COUNTS = TokenCounts(
    input_tokens=1_234_567,
    cached_input_tokens=765_432,
    output_tokens=98_765,
    reasoning_tokens=4_321,
)


def make_books() -> None:
    """Fill all books, by services alone."""
    with as_operator():
        make_partitions(now=STARTED)
        uses = [
            make_books_use(make_tenant_of(slug="acme")),
            make_books_use(
                make_tenant_of(slug="tokyo", zone="Asia/Tokyo", currency="JPY")
            ),
        ]
        epoch = make_epoch(started_at=STARTED, state="closed")
        for use in uses:
            _september(epoch, use)
            # Of what is used for ever there is a count, from now on.
            hold_credit(tenant_id=use.tenant_id)
        for invoice in [each.invoice for each in billing.close_due_periods(now=CLOSED)]:
            assert invoice is not None
            billing.advance_invoice(invoice=invoice, now=CLOSED)
        _october(epoch, uses)
        settle_counts()


def make_books_use(tenant: object) -> Use:
    """Describe one request of a tenant, with odd counts."""
    price = make_price(currency=tenant.currency)  # type: ignore[attr-defined]
    use = make_use(price=price, admitted_at=SEPTEMBER, tenant=tenant)
    return replace(use, counts=COUNTS)


def _september(epoch: Epoch, use: Use) -> None:
    """Commit requests of two days, one of them given back."""
    _, undelivered = commit(epoch, use, use)
    later = replace(use, admitted_at=SEPTEMBER + DAY)
    commit(epoch, later, undoing(undelivered, use))


def _october(epoch: Epoch, uses: list[Use]) -> None:
    """Post a day, roll up another one, commit a third."""
    commit(epoch, *(replace(use, admitted_at=OCTOBER + DAY / 2) for use in uses))
    post_days(now=OCTOBER + 2 * DAY)
    commit(epoch, *(replace(use, admitted_at=OCTOBER + 3 * DAY) for use in uses))
    roll_up()
    commit(epoch, *(replace(use, admitted_at=OCTOBER + 4 * DAY) for use in uses))


def settle_counts() -> None:
    """Let every epoch have admitted and settled what it committed."""
    with cursor() as session:
        session.execute(
            """
            UPDATE usage_epoch epoch SET settled = counted.requests,
                admitted = counted.requests + epoch.voided
            FROM (
                SELECT epoch_id, count(*) AS requests FROM usage_event
                WHERE kind = 0 GROUP BY epoch_id
            ) counted
            WHERE counted.epoch_id = epoch.id
            """
        )


@contextmanager
def corrupting(database: Database) -> Iterator[psycopg.Connection]:
    """Open the database past all rights, triggers and foreign keys."""
    address = database.server.rpartition("/")[0] + f"/{database.name}"
    with psycopg.connect(address) as session:
        session.execute("SET session_replication_role = replica")
        yield session
