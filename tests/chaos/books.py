"""What the database says after a run: bills, epochs, leases, and the product's proofs.

Asked for at rest: `at_rest` waits until every admission has ended and every epoch of a
process that is gone is closed. Failure: what never comes to rest raises and says why.
"""

import asyncio
import contextlib
import datetime as dt
import io
import json
import time
from uuid import UUID

from django.core.management import call_command
from django.core.management.base import CommandError

from kit.orm.roles import as_operator
from metering.usage import services
from tests.chaos.clients import Record
from tests.chaos.cluster import Cluster
from tests.chaos.oracle import Billed, Received
from tests.chaos.world import in_django
from tests.standins.reading_proxy import Farewell

QUIET_SECONDS_MAX = 60.0
POLL_S = 0.05
# The fewest bytes of an event with a token in it.
EVENT_BYTES_MIN = 150
# Nobody leaves a stream whose tokens are closer together.
FASTEST_PACE_MS = 5
# What a host took with it is seen as a difference, and meant to be.
HOST_LOSS = frozenset({"epochs_counted"})
# So long after a death nobody can still hold an epoch open.
MUCH_LATER = dt.timedelta(minutes=10)

_BILLS = """
SELECT tenant_id, coalesce(corrects, request_id), count(*) FILTER (WHERE kind = 0),
    count(*) FILTER (WHERE kind <> 0), sum(input_tokens + cached_input_tokens)::bigint,
    sum(output_tokens)::bigint, sum(charge_picos)::bigint, bool_or(streamed)
FROM usage_event WHERE tenant_id = ANY(%s) GROUP BY 1, 2
"""
_UNQUIET = """
SELECT gateway, epoch, state, admitted, settled, voided,
    clock_timestamp() - heartbeat_at
FROM usage_epoch
WHERE state = 'open' AND (heartbeat_at < %s OR admitted <> settled + voided)
"""
_GAPS = """
SELECT gateway, epoch, state, admitted, settled, voided, last_seq, count(seq),
    count(*) FILTER (WHERE event.kind = 0), coalesce(max(seq), 0)
FROM usage_epoch LEFT JOIN usage_event event ON usage_epoch.id = epoch_id
GROUP BY usage_epoch.id
HAVING NOT (last_seq = count(seq) AND last_seq = coalesce(max(seq), 0)
    AND settled = count(*) FILTER (WHERE event.kind = 0)
    AND (admitted = settled + voided OR %s))
"""
_LEASED = "SELECT coalesce(sum(amount), 0) FROM budgets_lease"
_POSTED = """
SELECT (SELECT coalesce(sum(posted), 0) FROM budgets_window),
    (SELECT coalesce(sum(charge_picos), 0) FROM usage_event WHERE tenant_id = ANY(%s))
"""


async def at_rest(cluster: Cluster, *, seconds: float = QUIET_SECONDS_MAX) -> float:
    """Return how long it took until nothing was open any more."""
    [(since,)] = await cluster.rows("SELECT clock_timestamp()")
    began = time.monotonic()
    while open_ := await cluster.rows(_UNQUIET, since):
        if time.monotonic() > began + seconds:
            raise AssertionError(f"these do not come to rest: {open_}")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


async def leases_left(cluster: Cluster, *, seconds: float = QUIET_SECONDS_MAX) -> int:
    """Return what is still leased once idle leases had time to be given back."""
    deadline = time.monotonic() + seconds
    while True:
        [(left,)] = await cluster.rows(_LEASED)
        if not left or time.monotonic() > deadline:
            return int(left)
        await asyncio.sleep(POLL_S)


async def bills(cluster: Cluster) -> list[Billed]:
    """Return what each request was billed, corrections included."""
    return [Billed(*row) for row in await cluster.rows(_BILLS, _tenants(cluster))]


async def faults_of_books(cluster: Cluster, *, hosts_were_lost: bool) -> list[str]:
    """Say where the epochs, the budgets, the ledger or the rollups are wrong.

    Of an epoch whose host was lost nobody knows what it had admitted.
    """
    faults = [
        f"an epoch has gaps: {row}"
        for row in await cluster.rows(_GAPS, hosts_were_lost)
    ]
    [(posted, charged)] = await cluster.rows(_POSTED, _tenants(cluster))
    if posted != charged:
        faults.append(f"budgets have {posted} posted of {charged}")
    known = HOST_LOSS if hosts_were_lost else frozenset[str]()
    return faults + await asyncio.to_thread(_proofs, known)


async def close_the_silent(cluster: Cluster) -> None:
    """Let the reaper believe that much time has passed, once."""
    [(now,)] = await cluster.rows("SELECT clock_timestamp()")
    await asyncio.to_thread(in_django, lambda: _reap(now + MUCH_LATER))


def received(record: Record) -> Received:
    """Return what the oracle is to know of a client."""
    ask, seen = record.ask, record.reading.arrived
    price = record.customer.price
    return Received(
        number=ask.number,
        tenant_id=record.customer.tenant_id,
        request_id=UUID(seen.request_id) if seen.request_id else None,
        status=record.status,
        is_streamed=ask.is_streamed,
        is_whole=record.is_whole,
        prompt_tokens=ask.prompt_tokens,
        tokens=record.tokens_at_drop,
        most=_most(record),
        input_picos=price.input_picos,
        output_picos=price.output_picos,
    )


def _most(record: Record) -> int:
    """Return how many tokens may have been handed over, those unseen included."""
    ask, sockets = record.ask, record.reading.sockets
    if not ask.is_streamed and not record.is_whole:
        # It is handed over as one whole: with its first byte in the kernel.
        return ask.max_tokens * ask.choices
    if sockets is None or (ask.drop and ask.drop.farewell is Farewell.FIN):
        return record.tokens
    on_its_way = sockets.unacknowledged_bytes // EVENT_BYTES_MIN
    # Between looking into the sockets and leaving, more may have come.
    meanwhile = 1 + int(sockets.asked_s * 1000 / FASTEST_PACE_MS)
    return record.tokens + on_its_way + ask.choices * meanwhile


def _tenants(cluster: Cluster) -> list[int]:
    return [customer.tenant_id for customer in cluster.customers]


def _reap(now: dt.datetime) -> None:
    with as_operator():
        services.close_silent_epochs(now=now)


def _proofs(known: frozenset[str]) -> list[str]:
    """Roll up what is committed, and hold the books to the product's own proofs.

    Checks that are known to differ are left out.
    """

    def prove() -> list[str]:
        with as_operator():
            services.roll_up()
        return [
            fault
            for command in ("verify_ledger", "reconcile")
            for fault in _differences(command, known)
        ]

    return in_django(prove)


def _differences(command: str, known: frozenset[str]) -> list[str]:
    said = io.StringIO()
    with contextlib.suppress(CommandError, SystemExit):
        call_command(command, "--json", stdout=said, stderr=io.StringIO())
    try:
        checks = json.loads(said.getvalue())["checks"]
    except json.JSONDecodeError:
        return [f"{command} could not be run: {said.getvalue()[:300]}"]
    if not checks:
        return [f"{command} made no check"]
    return [
        f"{command}: {each}"
        for each in checks
        if each["differences"] and each["name"] not in known
    ]
