"""What each request may be billed, from what its client had: arithmetic, and no more.

A client that has its whole answer is billed exactly that. One that was cut off is
billed what was handed over: what it had, what lay in the sockets, and what the fault
that met it allows beside. One that was refused is billed nothing. Nothing is billed
that nobody asked for, and nothing twice.

Failure: what breaks a rule is a sentence. Pure; owns nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

REFUSED_AT = 400


@dataclass(frozen=True, slots=True)
class Allowance:
    """By how many tokens an answer that was cut off may be billed wrongly.

    `loses_young` allows that one which had no more than `less` tokens has no bill.
    """

    more: int = 0
    less: int = 0
    loses_young: bool = False


EXACT = Allowance()


@dataclass(frozen=True, slots=True)
class Received:
    """One attempt as its client saw it.

    `tokens` had been read when the client left or the answer ended; `most` is with all
    that may have lain in the sockets then.
    """

    number: int
    tenant_id: int
    request_id: UUID | None
    status: int
    is_streamed: bool
    is_whole: bool
    prompt_tokens: int
    tokens: int
    most: int
    input_picos: int
    output_picos: int

    def cost(self, prompt_tokens: int, output_tokens: int) -> int:
        """Return what so many tokens cost this customer."""
        return prompt_tokens * self.input_picos + output_tokens * self.output_picos


@dataclass(frozen=True, slots=True)
class Billed:
    """All events of one request added up; `originals` are those that correct none."""

    tenant_id: int
    request_id: UUID
    originals: int
    corrections: int
    prompt_tokens: int
    output_tokens: int
    charge_picos: int
    is_streamed: bool

    @property
    def is_nothing(self) -> bool:
        """Tell whether it comes to nothing."""
        return not (self.prompt_tokens or self.output_tokens or self.charge_picos)


@dataclass(slots=True)
class Judgement:
    """The sums of a run, in output tokens, and what is wrong."""

    requests: int = 0
    whole: int = 0
    cut: int = 0
    refused: int = 0
    received: int = 0
    billed: int = 0
    # Of those with their whole answer; of those that were cut off, apart by sign.
    difference_whole: int = 0
    over: int = 0
    under: int = 0
    over_max: int = 0
    under_max: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def difference(self) -> int:
        """Return billed less received, over all requests."""
        return self.billed - self.received


def judge(
    received: Sequence[Received],
    bills: Sequence[Billed],
    allowance: Allowance = EXACT,
) -> Judgement:
    """Hold every bill against what its client had."""
    made = Judgement(requests=len(received))
    unclaimed = {(bill.tenant_id, bill.request_id): bill for bill in bills}
    made.faults += _told_twice(bills)
    # Those that know their request come first, and leave the others to the rest.
    for each in sorted(received, key=lambda each: each.request_id is None):
        key = _key_of(each, unclaimed)
        bill = unclaimed.pop(key, None) if key else None
        _add(made, each, bill)
        name = f"ask {each.number}, request {bill.request_id if bill else '?'}"
        faults = _faults(each, bill, allowance)
        made.faults += [f"{name}: {fault}" for fault in faults]
    made.faults += [
        f"{bill.request_id}: billed, and never asked for: {bill}"
        for bill in unclaimed.values()
        if not bill.is_nothing
    ]
    return made


def _told_twice(bills: Sequence[Billed]) -> list[str]:
    counts = Counter((bill.tenant_id, bill.request_id) for bill in bills)
    return [f"{key[1]}: {n} bills" for key, n in counts.items() if n > 1]


def _key_of(
    each: Received, bills: dict[tuple[int, UUID], Billed]
) -> tuple[int, UUID] | None:
    """Return the key of its bill; one without an id is known by its prompt."""
    if each.request_id is not None:
        return each.tenant_id, each.request_id
    if not each.status:
        for key, bill in bills.items():
            if (
                bill.tenant_id == each.tenant_id
                and bill.prompt_tokens == each.prompt_tokens
                and bill.is_streamed == each.is_streamed
            ):
                return key
    return None


def _add(made: Judgement, each: Received, bill: Billed | None) -> None:
    output = bill.output_tokens if bill else 0
    difference = output - each.tokens
    made.received += each.tokens
    made.billed += output
    if each.is_whole:
        made.whole += 1
        made.difference_whole += abs(difference)
        return
    if each.status >= REFUSED_AT:
        made.refused += 1
    else:
        made.cut += 1
    made.over += max(0, difference)
    made.under += max(0, -difference)
    made.over_max = max(made.over_max, difference)
    made.under_max = max(made.under_max, -difference)


def _faults(each: Received, bill: Billed | None, allowance: Allowance) -> list[str]:
    """Say what is wrong with one bill; nothing where nothing is."""
    if bill is None:
        return _without_bill(each, allowance)
    faults = []
    if bill.originals != 1:
        faults.append(f"{bill.originals} original events")
    if bill.charge_picos != each.cost(bill.prompt_tokens, bill.output_tokens):
        faults.append(f"{bill.charge_picos} picos are not what its tokens cost")
    if each.is_whole:
        return faults + _exactly(each, bill)
    if each.status >= REFUSED_AT:
        return faults if bill.is_nothing else [*faults, f"refused, and billed: {bill}"]
    return faults + _about(each, bill, allowance)


def _without_bill(each: Received, allowance: Allowance) -> list[str]:
    if each.is_whole:
        return [f"lost: {each.tokens} tokens were delivered to their end"]
    if each.tokens and not (allowance.loses_young and each.tokens <= allowance.less):
        return [f"lost: {each.tokens} tokens were delivered before it was cut off"]
    return []


def _exactly(each: Received, bill: Billed) -> list[str]:
    faults = []
    if bill.output_tokens != each.tokens:
        faults.append(
            f"{each.tokens} tokens delivered, {bill.output_tokens} billed,"
            f" in {bill.corrections + bill.originals} events"
        )
    if bill.prompt_tokens != each.prompt_tokens:
        faults.append(f"prompt of {each.prompt_tokens}, {bill.prompt_tokens} billed")
    return faults


def _about(each: Received, bill: Billed, allowance: Allowance) -> list[str]:
    least = max(0, each.tokens - allowance.less)
    most = each.most + allowance.more
    faults = []
    if not least <= bill.output_tokens <= most:
        faults.append(
            f"cut off with {each.tokens}, {bill.output_tokens} billed,"
            f" not {least} to {most}"
        )
    free = not bill.output_tokens and not bill.prompt_tokens
    if bill.prompt_tokens != each.prompt_tokens and not free:
        faults.append(f"prompt of {each.prompt_tokens}, {bill.prompt_tokens} billed")
    return faults
