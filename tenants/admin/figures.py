"""What other apps know of tenants, shown on their pages; told by the composition root.

This app comes before metering and serving and imports nothing of them. Failure: where
nobody reads, usage, what is left of limits, invoices and how far a key's change has
come are shown as not known rather than as none.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tenants.models import ApiKey, Project, Tenant


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of one place in its running window; picos, or tokens of a `unit`.

    `kind` is `budget`, `quota` or `credit`. `held` is what running requests use of it,
    on top of `posted`. What is for ever has no end.
    """

    kind: str
    level: str
    unit: str
    window: str
    model: str
    is_hard: bool
    currency: str
    limit: int
    posted: int
    held: int
    ends_at: dt.datetime | None
    expiring: tuple[int, dt.datetime] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """By how many of the running gateways the last change of a key is known."""

    by: int
    of: int


class Figures(Protocol):
    """What is asked of them, for many tenants at once."""

    def charged_this_month(
        self, *, tenant_ids: Collection[int], now: dt.datetime
    ) -> Mapping[int, int]:
        """Return what tenants were charged so far, in picos of their currency."""

    def requests_since(
        self,
        *,
        since: dt.datetime,
        tenant_ids: Collection[int],
        api_key_ids: Collection[int] | None = None,
    ) -> int:
        """Count the requests admitted since then."""

    def uses(
        self,
        *,
        tenant: Tenant,
        now: dt.datetime,
        project: Project | None = None,
        api_key: ApiKey | None = None,
    ) -> Sequence[Use]:
        """Return what is used of all that a tenant, project or key counts to."""

    def key_known_by(self, *, digest: str, now: dt.datetime) -> Known | None:
        """Return how far the last change of a key has come; None of no such."""

    def unpaid_invoices(self, *, tenant_ids: Collection[int]) -> int:
        """Count the invoices that are drafts or open."""


class _Source:
    figures: Figures | None = None


def read_from(figures: Figures) -> None:
    """Ask here from now on."""
    _Source.figures = figures


def source() -> Figures | None:
    """Return whom to ask; None where nobody knows."""
    return _Source.figures
