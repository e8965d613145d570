"""Limits that all gateway processes share, in a Valkey or Redis, on its clock.

A take is one script over all rules of a request: it runs alone, so it is exact however
many processes ask. Every key carries its tenant's hash tag and lapses when it says
nothing any more: a flow when it has drained, slots when they have not been renewed.

Failure: `StoreAwayError`; nobody waits longer than the deadline. A take whose answer
came too late, or whose request was cancelled, is given back when the answer comes. A
store that was flushed has forgotten flows and learns slots anew at the next renewal.
Corrections that do not reach it are counted and left. Owns: no state but the book of
its own slots.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from inference.limiting.client import StoreClient
from inference.limiting.connection import (
    TICKS,
    Otherwise,
    StoreAwayError,
    Waiting,
    nobody_waits,
)
from inference.limiting.gcra import verdict
from inference.limiting.limiter import (
    SLOT_US,
    Charge,
    Rule,
    Taken,
    Unit,
    Verdict,
    corrections,
    reversals,
    slot_keys,
)
from inference.limiting.metrics import LimiterMetrics
from inference.limiting.resp import Reply, ServerError, bulk, command
from inference.limiting.slots import SlotBook

PREFIX = "tg:rl:"
RENEWED_AT_ONCE = 500
_PROBE_WINDOW_US = 10_000_000
# The same keys, limits and amounts come again and again.
_known = lru_cache(maxsize=16_384)(bulk)


class Script:
    """A script and the name under which the store keeps it."""

    def __init__(self, *files: str, folder: Path = Path(__file__).parent) -> None:
        self.text = "\n".join((folder / name).read_text() for name in files)
        sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self._by_name = [bulk("EVALSHA"), bulk(sha)]
        self._in_full = [bulk("EVAL"), bulk(self.text)]

    def by_name(self, bulks: list[bytes]) -> bytes:
        """Return the command that runs it where the store knows it."""
        return command(self._by_name + bulks)

    def in_full(self, bulks: list[bytes]) -> bytes:
        """Return the command that runs it anywhere."""
        return command(self._in_full + bulks)


TAKE = Script("bucket.lua", "take.lua")
SETTLE = Script("bucket.lua", "settle.lua")
RENEW = Script("renew.lua")
# What a client says on each new connection.
GREETING = tuple(("SCRIPT", "LOAD", each.text) for each in (TAKE, SETTLE, RENEW))


class Ahead(NamedTuple):
    """What to take beside a request's own: of each of its charges, and for which ids.

    The ids hold slots. There are as many of them as are said of each rule of slots.
    """

    amounts: tuple[int, ...]
    ids: tuple[UUID, ...] = ()


class ValkeyLimiter:
    """A `RateLimiter` in a store; it raises `StoreAwayError` when that is away."""

    def __init__(
        self,
        client: StoreClient,
        *,
        slots: SlotBook | None = None,
        metrics: LimiterMetrics | None = None,
    ) -> None:
        self.client = client
        self.slots = SlotBook() if slots is None else slots
        self.metrics = metrics or LimiterMetrics()

    def try_take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken | None:
        """Return None: all of it is in the store."""
        del rules, input_tokens, output_tokens
        return None

    async def take(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take all charges, or none of them."""
        found, _ = await self.take_ahead(request_id, charges, None)
        return found

    async def take_ahead(
        self, request_id: UUID, charges: Sequence[Charge], ahead: Ahead | None
    ) -> tuple[Verdict, bool]:
        """Take all charges, and more where half is free; tell whether more was taken.

        The standings are without what is ahead.
        """
        if not charges:
            return verdict((), [], allowed=True), False
        asked = _Asked(request_id, tuple(charges), ahead)
        found, is_ahead = await self._take(asked)
        if not found.allowed:
            self.metrics.refused += 1
            return found, False
        keys = slot_keys(asked.charges)
        self.slots.add(request_id, keys)
        self.metrics.allowed += 1
        if ahead is None or not is_ahead:
            return found, False
        for each in ahead.ids:
            self.slots.add(each, keys)
        return found, True

    def settle(
        self, request_id: UUID, charges: Sequence[Charge], used: Mapping[Unit, int]
    ) -> None:
        """Put the flows right by what was really used, and end the slots."""
        self.change((request_id,), _slot_rules(charges), corrections(charges, used))

    def release(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """End the slots."""
        self.change((request_id,), _slot_rules(charges), ())

    def give_back(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """Undo a take."""
        self.change((request_id,), _slot_rules(charges), reversals(charges))

    def change(
        self,
        ended: Iterable[UUID],
        slots: Iterable[Rule],
        wrong: Iterable[tuple[Rule, int]],
    ) -> None:
        """End the slots that these hold of these rules, and put flows right."""
        for each in ended:
            self.slots.end(each)
        self._change(ended, slots, wrong)

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these requests for longer."""
        self.slots.renew(running)
        self.restore()

    def restore(self) -> None:
        """Tell the store of all slots that are held here, in one write."""
        for key, held in self.slots.by_key().items():
            for start in range(0, len(held), RENEWED_AT_ONCE):
                ids = held[start : start + RENEWED_AT_ONCE]
                slots = [_known(1), _known(f"{PREFIX}{key}:0"), _known(SLOT_US)]
                self._tell(RENEW, slots + [bulk(each.hex) for each in ids])

    async def probe(self, *, ticks: int = TICKS) -> None:
        """Take something twice that is there once; raises `StoreAwayError`.

        A store that answers, but cannot write or does not count, is as good as away.
        With fewer `ticks` it has less time than takes have.
        """
        key = f"{{probe}}:{secrets.token_hex(8)}"
        charge = Charge(Rule(key, Unit.REQUESTS, 1, _PROBE_WINDOW_US))
        taking = TAKE.in_full(_taking(_Asked(UUID(int=0), (charge,))))
        asked = (self._ask(taking, ticks=ticks) for _ in range(2))
        answers = await asyncio.gather(*asked)
        if [_read((charge,), each)[0].allowed for each in answers] != [True, False]:
            raise StoreAwayError("the store does not count")

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()

    async def _take(self, asked: "_Asked") -> tuple[Verdict, bool]:
        taking = _taking(asked)
        late = partial(self._came_late, asked)
        reply = await self._ask(TAKE.by_name(taking), late)
        if _is_unknown(reply):
            reply = await self._ask(TAKE.in_full(taking), late)
        return _read(asked.charges, reply)

    def _came_late(self, asked: "_Asked", reply: Reply) -> None:
        # Slots in the book are not touched: the request may go on without the store.
        if not isinstance(reply, bytes) or reply.startswith(b"0"):
            return
        ids, wrong = [asked.request_id], reversals(asked.charges)
        if asked.ahead is not None and reply.startswith(b"2"):
            ids += asked.ahead.ids
            of_rules = zip(asked.charges, asked.ahead.amounts, strict=True)
            wrong = reversals(
                [
                    Charge(each.rule, each.taken + more) if each.rule.is_flow else each
                    for each, more in of_rules
                ]
            )
        self._change(ids, _slot_rules(asked.charges), wrong)

    def _change(
        self,
        ended: Iterable[UUID],
        slots: Iterable[Rule],
        wrong: Iterable[tuple[Rule, int]],
    ) -> None:
        changes = (*((rule, 0) for rule in slots), *wrong)
        if not changes:
            return
        bulks = _keys([rule for rule, _ in changes])
        bulks.append(_ids(ended))
        for rule, delta in changes:
            bulks += (_known(rule.limit), _known(rule.window_us), _known(delta))
        self._tell(SETTLE, bulks)

    def _tell(self, script: Script, bulks: list[bytes]) -> None:
        """Run a script; nobody waits for it."""
        heard = partial(self._heard, script, bulks)
        try:
            self.client.send(script.by_name(bulks), None, heard)
        except StoreAwayError:
            self.metrics.unsaid += 1

    def _heard(self, script: Script, bulks: list[bytes], reply: Reply) -> None:
        if _is_unknown(reply):
            try:
                self.client.send(script.in_full(bulks), None, self._heard_again)
            except StoreAwayError:
                self.metrics.unsaid += 1
        else:
            self._heard_again(reply)

    def _heard_again(self, reply: Reply) -> None:
        if isinstance(reply, ServerError):
            self.metrics.unsaid += 1

    async def _ask(
        self, sent: bytes, otherwise: Otherwise = nobody_waits, *, ticks: int = TICKS
    ) -> Reply:
        """Send a command and wait for the answer, which else goes to `otherwise`."""
        waiting: Waiting = self.client.loop.create_future()
        self.client.send(sent, waiting, otherwise, ticks=ticks)
        try:
            return await waiting
        except asyncio.CancelledError:
            # The answer may have come just before.
            if not waiting.cancelled() and not waiting.exception():
                otherwise(waiting.result())
            raise


class _Asked(NamedTuple):
    """A take on its way."""

    request_id: UUID
    charges: tuple[Charge, ...]
    ahead: Ahead | None = None


def _taking(asked: _Asked) -> list[bytes]:
    bulks = _keys([charge.rule for charge in asked.charges])
    ahead = asked.ahead or Ahead((0,) * len(asked.charges))
    bulks += (_ids((asked.request_id, *ahead.ids)), _known(SLOT_US))
    for charge, more in zip(asked.charges, ahead.amounts, strict=True):
        limit, window = _known(charge.rule.limit), _known(charge.rule.window_us)
        bulks += (limit, window, _known(charge.taken), _known(more))
    return bulks


def _ids(ids: Iterable[UUID]) -> bytes:
    return bulk(" ".join(each.hex for each in ids))


def _slot_rules(charges: Sequence[Charge]) -> list[Rule]:
    return [each.rule for each in charges if not each.rule.is_flow]


def _keys(rules: list[Rule]) -> list[bytes]:
    keys = [_known(f"{PREFIX}{rule.key}:{rule.window_us}") for rule in rules]
    return [_known(len(keys)), *keys]


def _is_unknown(reply: Reply) -> bool:
    return isinstance(reply, ServerError) and reply.code == "NOSCRIPT"


def _read(charges: tuple[Charge, ...], reply: Reply) -> tuple[Verdict, bool]:
    """Return what the script decided, and whether it took what was to be taken ahead.

    Raises `StoreAwayError` for anything else.
    """
    if isinstance(reply, ServerError):
        raise StoreAwayError(reply.code)
    try:
        allowed, *levels = map(int, reply.split() if isinstance(reply, bytes) else ())
        return verdict(charges, levels, allowed=bool(allowed)), allowed == 2
    except ValueError:
        raise StoreAwayError("the answer is none") from None
