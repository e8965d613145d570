"""What the tests of the budgets' SQL share: days, places, epochs, and its functions."""

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from kit.contracts import BudgetPlace
from metering.intake import lease_statements as statements
from tests.databases import Database, Role
from tests.factories.tenants import midday_zone

DAY = dt.timedelta(days=1)
_numbers = itertools.count(1)


@contextlib.contextmanager
def session(
    database: Database, role: Role = "gateway", **kept: Any
) -> Iterator[psycopg.Connection[Any]]:
    """Provide a connection in autocommit, as gateways have."""
    with psycopg.connect(database.url_for(role), autocommit=True, **kept) as connection:
        yield connection


def write_days(database: Database, tenant_id: int, *, days: int = 40) -> None:
    """Write a tenant's billing days around now, which is about noon of one of them."""
    this_hour = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    with session(database, "owner") as owner:
        for number in range(-days, days):
            noon = this_hour + number * DAY
            owner.execute(
                "INSERT INTO usage_billingday (tenant_id, date, starts_at, ends_at,"
                " zone) VALUES (%s, %s, %s, %s, %s)",
                [tenant_id, noon.date(), noon - DAY / 2, noon + DAY / 2, midday_zone()],
            )


def place(
    tenant_id: int = 1,
    *,
    level: str = "tenant",
    holder_id: int | None = None,
    kind: str = "budget",
    unit: str = "",
    window: str = "day",
    model: str = "",
) -> BudgetPlace:
    """Describe a hard place; a tenant's unless another level is given."""
    return BudgetPlace(
        tenant_id, level, holder_id or tenant_id, kind, unit, window, model, True
    )


def open_windows(
    connection: psycopg.Connection[Any],
    places: Sequence[BudgetPlace],
    *,
    at: dt.datetime | None = None,
) -> list[int]:
    """Open the windows of some places, as a gateway does; return their ids."""
    at_us = round((at or dt.datetime.now(dt.UTC)).timestamp() * 1_000_000)
    rows = connection.execute(
        statements.OPEN.encode(),
        {
            "tenants": [each.tenant_id for each in places],
            "levels": [each.level for each in places],
            "holders": [each.holder_id for each in places],
            "kinds": [each.kind for each in places],
            "units": [each.unit for each in places],
            "windows": [each.window for each in places],
            "models": [each.model for each in places],
            "instants_us": [at_us] * len(places),
        },
    ).fetchall()
    return [row[1] for row in sorted(rows)]


def open_epoch(database: Database, gateway: str | None = None) -> int:
    """Open an epoch of a gateway, and of none that was before."""
    with session(database, "owner") as owner:
        row = owner.execute(
            "INSERT INTO usage_epoch (gateway, epoch, state, last_seq, admitted,"
            " settled, voided, started_at, heartbeat_at, open_since)"
            " VALUES (%s, %s, 'open', 0, 0, 0, 0, now(), now(), now()) RETURNING id",
            [gateway or f"gateway-{next(_numbers)}", next(_numbers)],
        ).fetchone()
    assert row is not None
    return int(row[0])


def grant(
    connection: psycopg.Connection[Any],
    epoch_id: int,
    asked: dict[int, tuple[int, int]],
) -> dict[int, tuple[int, int | None]]:
    """Ask for leases; return what is granted of each window, and the limit in force."""
    rows = connection.execute(
        statements.GRANT.encode(),
        {
            "epoch_id": epoch_id,
            "ids": list(asked),
            "leasts": [str(least) for least, _ in asked.values()],
            "wants": [str(want) for _, want in asked.values()],
        },
    ).fetchall()
    return {
        row[0]: (int(row[1]), None if row[2] is None else int(row[2])) for row in rows
    }


def give_back(
    connection: psycopg.Connection[Any], epoch_id: int, back: dict[int, int]
) -> None:
    """Return some of an epoch's leases."""
    connection.execute(
        statements.RETURN.encode(),
        {
            "epoch_id": epoch_id,
            "ids": list(back),
            "amounts": [str(amount) for amount in back.values()],
        },
    )


def beat(
    connection: psycopg.Connection[Any],
    epoch_id: int,
    told: dict[int, tuple[int, int]],
) -> dict[int, int]:
    """Tell what is known and used of each lease; return the leases."""
    rows = connection.execute(
        statements.BEAT.encode(),
        {
            "epoch_id": epoch_id,
            "ids": list(told),
            "amounts": [str(known) for known, _ in told.values()],
            "used": [str(used) for _, used in told.values()],
        },
    ).fetchall()
    return {row[0]: int(row[1]) for row in rows}


def leases(database: Database) -> dict[tuple[int, int], int]:
    """Return all leases, by window and epoch."""
    with session(database, "operator") as operator:
        rows = operator.execute(
            "SELECT window_id, epoch_id, amount FROM budgets_lease"
        ).fetchall()
    return {(row[0], row[1]): int(row[2]) for row in rows}
