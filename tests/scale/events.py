"""Events by the million, made inside the database: as gateways write them, but faster.

Event number i is what a hash of i says: where it is used, when, with how many tokens.
Its price is the one that the product's own reading of books and assignments gives for
that instant. Each phase is numbered without a gap in epochs of its own.

Failure: all of an epoch or nothing. Owns: the schema `scale`, which holds what the
hashes are looked up in.
"""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import psycopg

from kit.orm.roles import as_operator
from metering.pricing.selectors import price_in_force
from tests.databases import Database
from tests.scale.sizes import MONTHS, TURNS, Scale
from tests.scale.world import MODELS, World

SLOTS = 1 << 17
_HOUR = dt.timedelta(hours=1)

_TABLES = """
CREATE SCHEMA scale;
CREATE TABLE scale.place (
    slot int PRIMARY KEY, tenant_id bigint NOT NULL, project_id bigint NOT NULL,
    api_key_id bigint NOT NULL, payer int NOT NULL, model text NOT NULL
);
CREATE TABLE scale.price (
    payer int, model text, hour timestamptz, price_id bigint NOT NULL,
    input_picos bigint NOT NULL, cached_picos bigint NOT NULL,
    output_picos bigint NOT NULL, PRIMARY KEY (payer, model, hour)
)
"""

_EPOCH = """
INSERT INTO usage_epoch (gateway, epoch, state, last_seq, admitted, settled, voided,
    started_at, heartbeat_at, closed_at)
VALUES (%(gateway)s, %(phase)s + 1, 'closed', %(count)s, %(count)s, %(count)s, 0,
    %(starts)s, %(ends)s, %(ends)s)
RETURNING id
"""

# A `chance` is a whole number that looks random, one for each event. Events come
# in the order of time, but for the late ones, admitted in the month before the phase's.
_EVENTS = """
INSERT INTO usage_event (request_id, admitted_at, committed_at, tenant_id, project_id,
    api_key_id, price_id, replica_id, epoch_id, seq, charge_picos, first_token_us,
    duration_us, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
    generated_tokens, kind, status, counted_by, surface, streamed)
SELECT (lpad(to_hex(drawn.ms), 12, '0') || '7' || lpad(to_hex(drawn.i %% 4096), 3, '0')
        || '8' || lpad(to_hex(drawn.i), 15, '0'))::uuid,
    to_timestamp(drawn.ms / 1000.0),
    greatest(to_timestamp(drawn.ms / 1000.0), %(starts)s) + interval '2 seconds',
    place.tenant_id, place.project_id, place.api_key_id, price.price_id,
    drawn.i %% 12, %(epoch)s, drawn.seq,
    drawn.input * price.input_picos + drawn.cached * price.cached_picos
        + drawn.output * price.output_picos,
    200000, 2000000, drawn.input, drawn.cached, drawn.output, drawn.output / 3,
    drawn.output, 0, 0, 0, 1, true
FROM (
    SELECT seq, i, (chance.place %% %(slots)s)::int AS slot,
        CASE WHEN chance.late %% 1000 < %(late)s
            THEN %(before_ms)s + chance.instant %% %(before_length_ms)s
            ELSE %(starts_ms)s + (seq - 1) * %(length_ms)s / %(count)s END AS ms,
        chance.input %% 2000 AS input,
        CASE WHEN chance.cached %% 3 = 0 THEN chance.cached / 3 %% 1500 ELSE 0 END
            AS cached,
        1 + chance.output %% 800 AS output
    FROM generate_series(1, %(count)s::bigint) seq
    CROSS JOIN LATERAL (
        SELECT %(first)s + (seq - 1) * %(gateways)s AS i
    ) numbered
    CROSS JOIN LATERAL (
        SELECT abs(hashint8extended(i, %(seed)s + 1) / 2) AS place,
            abs(hashint8extended(i, %(seed)s + 2) / 2) AS late,
            abs(hashint8extended(i, %(seed)s + 3) / 2) AS instant,
            abs(hashint8extended(i, %(seed)s + 4) / 2) AS input,
            abs(hashint8extended(i, %(seed)s + 5) / 2) AS cached,
            abs(hashint8extended(i, %(seed)s + 6) / 2) AS output
    ) chance
) drawn
JOIN scale.place USING (slot)
JOIN scale.price ON price.payer = place.payer AND price.model = place.model
    AND price.hour = date_bin('1 hour', to_timestamp(drawn.ms / 1000.0), 'epoch')
"""


def prepare(database: Database, world: World) -> None:
    """Write down what events are drawn from."""
    with session(database) as connection:
        connection.execute(_TABLES)
        with connection.cursor().copy("COPY scale.place FROM STDIN") as copy:
            for slot, place in enumerate(_dealt(world)):
                who = (place.tenant_id, place.project_id, place.api_key_id)
                copy.write_row((slot, *who, place.group, place.model))
        with connection.cursor().copy("COPY scale.price FROM STDIN") as copy:
            for row in _priced(world):
                copy.write_row(row)
        connection.execute("ANALYZE scale.place, scale.price")


def write_events(database: Database, scale: Scale, phase: int) -> int:
    """Commit the events of a phase, one transaction for each epoch; return how many."""
    numbers = scale.events_in(phase)
    with session(database) as connection:
        for gateway in range(scale.gateways):
            own = numbers[gateway :: scale.gateways]
            if not own:
                continue
            with connection.transaction():
                asked = _asked(scale, phase, own)
                row = connection.execute(
                    _EPOCH, {**asked, "gateway": f"gateway-{gateway}", "phase": phase}
                ).fetchone()
                assert row is not None
                made = connection.execute(_EVENTS, {**asked, "epoch": row[0]})
                assert made.rowcount == len(own), (made.rowcount, len(own))
        connection.execute("ANALYZE usage_event, usage_epoch")
    return len(numbers)


def session(database: Database) -> psycopg.Connection[Any]:
    """Open the database past all policies, with whole statements."""
    address = database.server.rpartition("/")[0] + f"/{database.name}"
    return psycopg.connect(
        address, autocommit=True, cursor_factory=psycopg.ClientCursor
    )


def _dealt(world: World) -> Sequence[Any]:
    """Return who uses each slot: everybody one, the rest by weight."""
    whole = sum(place.weight for place in world.places)
    rest = SLOTS - len(world.places)
    dealt, due = list(world.places), 0.0
    for place in world.places:
        due += rest * place.weight / whole
        dealt += [place] * (round(due) - (len(dealt) - len(world.places)))
    return (dealt + [world.places[0]] * SLOTS)[:SLOTS]


def _priced(world: World) -> list[tuple[Any, ...]]:
    """Return what each payer pays for each model, by the hour."""
    rows = []
    starts = sorted(world.changes)
    with as_operator():
        for payer, tenant in enumerate(world.payers):
            for begins, ends in itertools.pairwise((*starts, TURNS[-1])):
                hours = (ends - begins) // _HOUR
                for model in MODELS:
                    price = price_in_force(tenant=tenant, model=model, at=begins)
                    picos = (price.input_picos, price.cached_input_picos)
                    what = (price.id, *picos, price.output_picos)
                    rows += [
                        (payer, model, begins + number * _HOUR, *what)
                        for number in range(hours)
                    ]
    return rows


def _asked(scale: Scale, phase: int, own: range) -> dict[str, Any]:
    starts, ends = MONTHS[phase]
    before, _ = MONTHS[max(phase - 1, 0)]
    return {
        "count": len(own),
        "first": own.start,
        "gateways": scale.gateways,
        "slots": SLOTS,
        "seed": scale.seed * 100,
        "late": scale.late_permille if phase else 0,
        "starts": starts,
        "ends": ends,
        "starts_ms": _ms(starts),
        "length_ms": _ms(ends) - _ms(starts),
        "before_ms": _ms(before),
        "before_length_ms": _ms(starts) - _ms(before) if phase else 1,
    }


def _ms(instant: dt.datetime) -> int:
    return int(instant.timestamp()) * 1000
