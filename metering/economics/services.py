"""Writes of economics: what replicas cost, which are there, what days came to.

And what accounts are called in other books.
"""

import datetime as dt
from typing import Required, TypedDict, Unpack

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.economics.code_models import AccountCode
from metering.economics.models import CostRate
from metering.economics.recording import list_from, note_replicas
from metering.economics.working import work_out, work_out_due
from metering.ledger.locking import is_locked
from metering.ledger.services import hold_months

__all__ = [
    "add_account_code",
    "add_rate",
    "change_account_code",
    "list_from",
    "note_replicas",
    "work_out",
    "work_out_due",
]

EARLIEST = dt.date(2020, 1, 1)


class RateTerms(TypedDict, total=False):
    """What a rate says; without `picos_per_hour` it ends the one before it."""

    level: Required[str]
    subject: str
    starts_on: Required[dt.date]
    currency: Required[str]
    picos_per_hour: Required[int | None]
    tokens_per_s: int | None
    input_permille: int
    cached_permille: int
    note: str


def add_rate(**terms: Unpack[RateTerms]) -> CostRate:
    """Say what replicas cost from a date on; a later row of the same date replaces it.

    The date may lie in the past: days that are not locked are worked out anew. Raises
    `InvalidRequest`, and `Conflict` for a date in a locked month.
    """
    row = CostRate(**terms)
    if row.level == CostRate.Level.ALL and row.subject:
        raise InvalidRequest(
            "A rate of all replicas has no name: leave it empty.", param="subject"
        )
    if row.level != CostRate.Level.ALL and not row.subject:
        raise InvalidRequest("Say whose rate it is, by name.", param="subject")
    if row.starts_on < EARLIEST:
        raise InvalidRequest(f"Begin on {EARLIEST} or later.", param="starts_on")
    with atomic():
        hold_months()
        if is_locked(row.starts_on.replace(day=1)):
            raise Conflict(
                f"{row.starts_on:%Y-%m} is locked: begin later, or reopen it first.",
                param="starts_on",
            )
        create(row)
    return row


def add_account_code(*, account: str, code: str, name: str = "") -> AccountCode:
    """Say what an account is in other books; raises `Conflict` where it is said."""
    row = AccountCode(account=account, code=code.strip(), name=name.strip())
    create(row)
    return row


def change_account_code(
    *, row: AccountCode, code: str | None = None, name: str | None = None
) -> AccountCode:
    """Say anew what an account is in other books; journals name it so from now on."""
    said = {"code": code, "name": name}
    change(row, {key: text.strip() for key, text in said.items() if text is not None})
    return row
