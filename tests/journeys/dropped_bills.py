"""What dropped calls were billed: read from the database, matched, judged, tabled.

A client that leaves before the head never learns its request's id; its event is then
known by its prompt, whose length no other call has. Failure: an event that no call
claims is a fault like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from uuid import UUID

from kit.contracts import CountedBy, EventKind, EventStatus, Surface
from tests.eventually import eventually
from tests.journeys.dropped_calls import (
    Billed,
    Done,
    EngineFacts,
    faults_of,
    in_sockets_max,
)
from tests.journeys.main_job import rows
from tests.journeys.product import Product

# What cannot be counted at once is tried again for half a minute.
SETTLED_SECONDS_MAX = 45.0

_EVENTS = """
SELECT coalesce(corrects, request_id), surface, kind, status, counted_by,
    input_tokens + cached_input_tokens, output_tokens, generated_tokens
FROM usage_event ORDER BY kind
"""
_OPEN_EPOCHS = """
SELECT count(*) FROM usage_epoch WHERE state = 'open'
    AND (heartbeat_at < '{since}' OR admitted <> settled + voided)
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One call, its bill if it has one, and what is wrong with it."""

    done: Done
    billed: Billed | None
    faults: list[str]
    request_id: UUID | None = None


async def settled(product: Product) -> None:
    """Return once every admission has ended, as each gateway has said since now."""
    [(now,)] = rows(product, "SELECT clock_timestamp()")
    question = _OPEN_EPOCHS.format(since=now.isoformat())
    await eventually(
        lambda: rows(product, question) == [(0,)], seconds=SETTLED_SECONDS_MAX
    )


def billed_requests(product: Product) -> dict[tuple[UUID, Surface], Billed]:
    """Return what each request was billed, corrections included."""
    bills: dict[tuple[UUID, Surface], Billed] = {}
    for request_id, surface, kind, status, counted_by, *tokens in rows(
        product, _EVENTS
    ):
        key = (request_id, Surface(surface))
        before = bills.get(key)
        if kind == EventKind.REQUEST:
            assert before is None, f"{request_id} was billed twice"
            bills[key] = Billed(EventStatus(status), CountedBy(counted_by), *tokens)
        else:
            assert before is not None, f"a correction of {request_id}, and no event"
            bills[key] = Billed(
                before.status,
                before.counted_by,
                before.prompt_tokens + tokens[0],
                before.output_tokens + tokens[1],
                before.generated_tokens,
            )
    return bills


def judge(
    outcomes: Sequence[Done],
    bills: dict[tuple[UUID, Surface], Billed],
    engine: EngineFacts,
) -> list[Judged]:
    """Match calls and bills, and hold each to the rule; raises if a bill is left."""
    unclaimed = dict(bills)
    judged = []
    # Those that know their request come first, and leave the others to the rest.
    for done in sorted(outcomes, key=lambda done: not done.reading.arrived.request_id):
        key = _key_of(done, unclaimed, engine)
        billed = unclaimed.pop(key) if key else None
        faults = faults_of(done, billed, engine)
        judged.append(Judged(done, billed, faults, key[0] if key else None))
    assert not unclaimed, f"billed, and never asked for: {unclaimed}"
    return judged


def _key_of(
    done: Done, bills: dict[tuple[UUID, Surface], Billed], engine: EngineFacts
) -> tuple[UUID, Surface] | None:
    call = done.call
    surface = Surface.CHAT_COMPLETIONS if call.is_chat else Surface.COMPLETIONS
    if request_id := done.reading.arrived.request_id:
        key = (UUID(request_id), surface)
        return key if key in bills else None
    for key, billed in bills.items():
        if key[1] is surface and billed.prompt_tokens == engine.prompt_tokens(call):
            return key
    return None


def table(judged: Sequence[Judged], engine: EngineFacts) -> str:
    """Return the figures of a run, a line for each way in which calls ended."""
    groups: dict[str, list[Judged]] = {}
    for each in judged:
        groups.setdefault(_way_of(each.done), []).append(each)
    head = ("calls", "events", "received", "billed", "more", "at most", "by tokenizer")
    lines = [f"{'':<34}" + "".join(f"{name:>13}" for name in head)]
    for way, members in sorted(groups.items()):
        lines.append(f"{way:<34}" + _figures(members, engine))
    lines.append(f"{'all':<34}" + _figures(judged, engine))
    took = [each.done.abort_ms for each in judged if each.done.abort_ms is not None]
    if took:
        lines.append(
            f"engine stopped after a client left: {len(took)} times,"
            f" median {median(took):.1f} ms, longest {max(took):.1f} ms"
        )
    return "\n".join(lines)


def _way_of(done: Done) -> str:
    drop = done.call.drop
    if drop is None:
        return "read to the end"
    kind = "stream" if done.call.is_streamed else "whole"
    moment = drop.moment.name.lower().replace("_", " ")
    return f"{kind}, left {moment}, {drop.farewell.name}"


def _figures(members: Sequence[Judged], engine: EngineFacts) -> str:
    received = sum(engine.tokens(each.done.reading.received) for each in members)
    bills = [each.billed for each in members if each.billed is not None]
    output = sum(billed.output_tokens for billed in bills)
    most = sum(in_sockets_max(each.done, engine) for each in members)
    counted = sum(billed.counted_by is CountedBy.TOKENIZER for billed in bills)
    figures = (
        len(members), len(bills), received, output, output - received, most, counted
    )  # fmt: skip
    return "".join(f"{figure:>13,}" for figure in figures)
