"""What is used of limits and credit, in numbers and as a bar, for the pages of both.

Amounts come from whoever keeps count (`tenants.admin.figures`). Failure: where nobody
does, nothing is shown as used rather than as zero.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kit.money import format_picos
from tenants.admin import figures
from tenants.limits.resolution import Effective

_Key = tuple[str, str, str, str, str, bool]
_CREDIT = "credit"
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of a limit is used: a share for the bar, and the numbers beside it."""

    percent: int
    used: str
    left: str
    running: str
    until: str


@dataclass(frozen=True, slots=True)
class CreditBar:
    """What a prepaid tenant has left to use, and what of it ends next."""

    bar: Bar
    limit: str
    expiring: str


@dataclass(frozen=True, slots=True)
class InUse:
    """What is used of the limits in effect, and of credit if it is paid from."""

    bars: Mapping[_Key, Bar]
    credit: CreditBar | None = None

    def of(self, each: Effective) -> Bar | None:
        """Return the bar of a limit in effect; rate limits have none."""
        row, measure = each.row, each.row.measure
        what = (measure.kind.value, row.level, measure.unit, measure.window)
        return self.bars.get((*what, row.model, row.is_hard))


def in_use(whom: Mapping[str, Any], *, now: dt.datetime) -> InUse:
    """Ask what is used of all that a tenant, project or key counts to."""
    known = figures.source()
    uses = known.uses(now=now, **whom) if known else ()
    bars = {_key(use): _bar(use) for use in uses}
    credit = next((use for use in uses if use.kind == _CREDIT), None)
    return InUse(bars, _credit(credit) if credit else None)


def _key(use: figures.Use) -> _Key:
    return (use.kind, use.level, use.unit, use.window, use.model, use.is_hard)


def _bar(use: figures.Use) -> Bar:
    used = use.posted + use.held
    # All of a limit of nothing is used; what is not used up never looks as if it were.
    percent = min(used * _WHOLE // use.limit, _WHOLE) if use.limit else _WHOLE
    return Bar(
        percent=max(percent, 0),
        used=_amount(use, used),
        left=_amount(use, use.limit - used),
        running=_amount(use, use.held) if use.held else "",
        until=f"until {use.ends_at:%Y-%m-%d %H:%M} UTC" if use.ends_at else "",
    )


def _credit(use: figures.Use) -> CreditBar:
    expiring = ""
    if use.expiring:
        picos, at = use.expiring
        expiring = f"{_amount(use, picos)} on {at:%Y-%m-%d %H:%M} UTC"
    return CreditBar(_bar(use), _amount(use, use.limit), expiring)


def _amount(use: figures.Use, number: int) -> str:
    return f"{format_picos(number)} {use.currency}" if use.currency else f"{number:,}"
