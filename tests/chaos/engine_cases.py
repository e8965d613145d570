"""Engines that die at every token, stand still, talk nonsense, or lie about usage.

One engine, one request at a time, so that each fault meets the request it is meant for.
A client whose stream goes wrong hears so by an error event and never reads `[DONE]`;
it is billed exactly what it had.
"""

import itertools

from inference.engines.simulator import faults
from tests.chaos.clients import Record
from tests.chaos.stage import Case, Setting, Stage

TOKENS = 200
IDLE_MS = 400
# Those that end an answer before its time, and those that only lie about its usage.
ENDING = (
    faults.DIE,
    faults.RESET,
    faults.HANG,
    faults.EARLY_END,
    faults.HALF_EVENT,
    faults.ENGINE_ERROR,
    faults.GARBAGE,
    faults.CUT_UTF8,
    faults.WRONG_USAGE,
    faults.WRONG_USAGE_TEXT,
    faults.WRONG_USAGE_NEGATIVE,
    faults.WRONG_USAGE_MISSING,
    faults.FALLING_USAGE,
)
# The answer is whole all the same.
HARMLESS = (faults.STRAY_BYTES,)
OFFSETS = (0, 1, 2, 7, 63, 64, 65, 199)


async def dies_at_every_token(stage: Stage) -> None:
    """Let the engine die after each number of tokens that a stream can have."""
    await stage.cluster.behave(first_token_ms=0, inter_token_ms=0)
    right = 0
    for after in range(stage.times):
        record = await _with_fault(stage, faults.DIE, after)
        wrong = _wrong_end(record, after)
        right += not wrong
        stage.faults += wrong
    stage.notes.append(f"{right} of {stage.times} ended as they must")


async def goes_wrong(stage: Stage) -> None:
    """Let every kind of fault strike at some tokens."""
    await stage.cluster.behave(first_token_ms=0, inter_token_ms=0)
    made = 0
    for fault, after in itertools.product(ENDING, OFFSETS[: stage.times]):
        if fault == faults.FALLING_USAGE and not after:
            # What begins with nothing cannot fall; nobody here can count that text.
            continue
        record = await _with_fault(stage, fault, after)
        stage.faults += [f"{fault}: {each}" for each in _wrong_end(record, after)]
        made += 1
    for fault, after in itertools.product(HARMLESS, OFFSETS[: stage.times]):
        record = await _with_fault(stage, fault, after)
        if not record.is_whole or record.tokens != TOKENS:
            stage.faults.append(f"{fault} at {after}: not whole, {_end(record)}")
        made += 1
    for fault in (faults.REFUSE, faults.RESET_EARLY):
        record = await _with_fault(stage, fault, 0)
        # What the engine never took may be asked for again.
        if not record.is_whole and record.status < 500:
            stage.faults.append(f"{fault}: {_end(record)}")
        made += 1
    stage.times = made


async def _with_fault(stage: Stage, fault: str, after: int) -> Record:
    """Stream once from an engine whose next answer goes wrong."""
    await stage.cluster.behave(fault=fault, fault_after_tokens=after, fault_times=1)
    record = await stage.ask(stage.cluster.gateways[0], max_tokens=TOKENS)
    await stage.cluster.behave(fault="")
    return record


def _wrong_end(record: Record, after: int) -> list[str]:
    """Say how the end of a stream differs from what its client must see."""
    seen = record.reading.received
    if record.status >= 500:
        # Nothing had begun: the answer itself is the error.
        return [] if not after and seen.error else [f"at {after}: {_end(record)}"]
    code = str((seen.error or {}).get("code", ""))
    if seen.is_done or not code.startswith("engine_") or record.tokens != after:
        return [f"at {after}: {_end(record)}"]
    return []


def _end(record: Record) -> str:
    seen = record.reading.received
    return (
        f"status {seen.status}, {record.tokens} tokens, done {seen.is_done},"
        f" error {seen.error}"
    )


ALONE = Setting(gateways=1, engines=1, clients=0, env={"ENGINE_IDLE_MS": str(IDLE_MS)})
DIES = Case("engine dies at each token", dies_at_every_token, TOKENS, ALONE)
WRONG = Case("engine goes wrong", goes_wrong, len(OFFSETS), ALONE)
