"""The outbox: a call to a billing provider is a committed row before it is made.

A row's attempt number is part of the idempotency key that the provider sees. While a
call's outcome is unknown (timeout, lost connection, a process that died) the same
attempt is made again under the same key; a refusal is definite, and the next attempt
has a new key. A caller has read back what the provider holds before it comes here, so
that an effect which is there is never asked for twice, whatever became of its key.

Refusals are spaced further and further. After the last of them the call is parked:
nothing is asked any more until a person lets it go on, see `outbox`.

Failure: `CallRefused` and `OutcomeUnknown` say which of the two it was; `NotYet` asks
to come back later, `Parked` to leave it. The row is up to date in every case. Owns:
`ProviderOperation`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kit.orm.atomic import atomic
from metering.billing.models import Invoice, ProviderOperation

# Providers forget a key a day after its first use; beyond this it protects nothing.
KEY_LIFE = dt.timedelta(hours=23)
RETRY_AFTER = dt.timedelta(minutes=1)
RETRY_AFTER_MAX = dt.timedelta(hours=6)
# With the waits between them, a working day of somebody who can mend it.
REFUSALS_MAX = 10
_ERROR_CHARS_MAX = 500

State = ProviderOperation.State
T = TypeVar("T")


class CallRefused(Exception):
    """The provider answered that it did not do it, and will not under this key.

    `code` is its own word for why, or nothing.
    """

    def __init__(self, text: str, *, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Parked(CallRefused):
    """It was refused so often that nobody asks any more."""


class OutcomeUnknown(Exception):
    """No answer, or none that tells whether it was done."""


class NotYet(Exception):
    """The last attempt was refused a moment ago."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of which account of a provider, and of which thing of whose."""

    provider: str
    account: str
    name: str
    subject: str
    tenant_id: int
    invoice: Invoice | None = None


def perform(
    call: Call,
    *,
    send: Callable[[str], T],
    record: Callable[[T], str],
    now: dt.datetime,
) -> T:
    """Make the call once more and return its answer.

    `send` gets the idempotency key. `record` writes what the answer means for us in the
    transaction that marks the attempt as succeeded, and returns the provider's
    reference. Raises `NotYet`, `Parked`, `CallRefused` or `OutcomeUnknown`. Must run
    outside a transaction.
    """
    attempt = _intend(call, now=now)
    try:
        answer = send(attempt.idempotency_key)
    except CallRefused as refusal:
        _refused(attempt, str(refusal), now=now)
        raise
    except OutcomeUnknown as doubt:
        _finish(attempt, State.UNKNOWN, error=str(doubt), now=now)
        raise
    with atomic(durable=True):
        _finish(attempt, State.SUCCEEDED, reference=record(answer), now=now)
    return answer


def intend(call: Call, *, now: dt.datetime) -> None:
    """Write a call down that a worker makes later; in the caller's transaction."""
    if _last(call) is None:
        _new(call, attempt=1, now=now)


def succeeded(call: Call) -> bool:
    """Tell whether the call's last attempt is known to have succeeded."""
    last = _last(call)
    return last is not None and last.state == State.SUCCEEDED


def answered(call: Call) -> str:
    """Return what the provider called it, once that was answered; else nothing."""
    last = _last(call)
    is_known = last is not None and last.state == State.SUCCEEDED
    return last.reference if last is not None and is_known else ""


def attempted(call: Call) -> bool:
    """Tell whether the call was ever about to be made."""
    return _last(call) is not None


def first_key_protects(*, since: dt.datetime, now: dt.datetime) -> bool:
    """Tell whether a call about a thing this old cannot have been made and forgotten.

    No attempt may be known here and one be there all the same, where the database was
    restored from before it. While the thing is younger than a key's life, the first
    attempt made again is answered by what that one did.
    """
    return dt.timedelta(0) <= now - since < KEY_LIFE


def adopt(call: Call, *, reference: str, now: dt.datetime) -> None:
    """Mark the last attempt as succeeded, whatever was answered: it was read back."""
    last = _last(call)
    if last is not None and last.state != State.SUCCEEDED:
        _finish(last, State.SUCCEEDED, reference=reference, now=now)


def drop(call: Call, *, now: dt.datetime) -> None:
    """Give up what is undone of a call: it is not to be made any more."""
    last = _last(call)
    if last is not None and last.state != State.SUCCEEDED:
        _finish(last, State.DROPPED, now=now, error=last.error)


def _intend(call: Call, *, now: dt.datetime) -> ProviderOperation:
    """Commit the attempt to be made: the last one while it is in doubt, else a new one.

    A row still at its intent belongs to a process that died: only one driver gets here.
    """
    with atomic(durable=True):
        last = _last(call)
        if last is None:
            return _new(call, attempt=1, now=now)
        age = now - last.created_at
        if last.state in {State.INTENT, State.UNKNOWN}:
            if dt.timedelta(0) <= age < KEY_LIFE:
                return last
            _finish(
                last, State.FAILED, error="Its key expired without an answer.", now=now
            )
        elif last.state == State.FAILED:
            _wait_out(last, now=now)
        elif last.state == State.PARKED:
            raise Parked(last.error)
        return _new(call, attempt=last.attempt + 1, refusals=last.refusals, now=now)


def _refused(attempt: ProviderOperation, error: str, *, now: dt.datetime) -> None:
    attempt.refusals += 1
    attempt.save(update_fields=["refusals"])
    is_last = attempt.refusals >= REFUSALS_MAX
    _finish(attempt, State.PARKED if is_last else State.FAILED, error=error, now=now)


def _wait_out(refused: ProviderOperation, *, now: dt.datetime) -> None:
    # Of none, its key just expired, or a person lets it go on.
    if not refused.refusals:
        return
    patience = min(RETRY_AFTER * 2 ** (refused.refusals - 1), RETRY_AFTER_MAX)
    since = now - (refused.finished_at or refused.created_at)
    if dt.timedelta(0) <= since < patience:
        raise NotYet(f"{refused} was refused {since} ago")


def _last(call: Call) -> ProviderOperation | None:
    return (
        ProviderOperation.objects.filter(
            provider=call.provider,
            account=call.account,
            name=call.name,
            subject=call.subject,
        )
        .order_by("-attempt")
        .first()
    )


def _new(
    call: Call, *, attempt: int, now: dt.datetime, refusals: int = 0
) -> ProviderOperation:
    return ProviderOperation.objects.create(
        tenant_id=call.tenant_id,
        invoice=call.invoice,
        provider=call.provider,
        account=call.account,
        name=call.name,
        subject=call.subject,
        attempt=attempt,
        refusals=refusals,
        created_at=now,
    )


def _finish(
    attempt: ProviderOperation,
    state: ProviderOperation.State,
    *,
    now: dt.datetime,
    reference: str = "",
    error: str = "",
) -> None:
    # A success is final: a second driver that was told to wait has nothing to add.
    ProviderOperation.objects.filter(pk=attempt.pk).exclude(
        state=State.SUCCEEDED
    ).update(
        state=state,
        reference=reference,
        error=error[:_ERROR_CHARS_MAX],
        finished_at=now,
    )
