"""What metering knows of tenants, shown on their pages; told by the composition root.

This app comes before metering and imports nothing of it. Failure: where nobody reads,
usage and invoices are shown as not known rather than as none.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Protocol


class Figures(Protocol):
    """What is asked of metering, for many tenants at once."""

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
