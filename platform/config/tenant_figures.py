"""What metering tells the tenants' pages of the admin: usage, charges, invoices."""

import datetime as dt
from collections.abc import Collection, Mapping

from metering.billing.models import Invoice
from metering.usage import standing

_UNPAID = (Invoice.State.DRAFT, Invoice.State.OPEN)


class MeteredFigures:
    """The figures of usage and billing, read when they are asked for."""

    def charged_this_month(
        self, *, tenant_ids: Collection[int], now: dt.datetime
    ) -> Mapping[int, int]:
        """Return what tenants were charged so far, in picos of their currency."""
        return standing.charged_this_month(tenant_ids=tenant_ids, now=now)

    def requests_since(
        self,
        *,
        since: dt.datetime,
        tenant_ids: Collection[int],
        api_key_ids: Collection[int] | None = None,
    ) -> int:
        """Count the requests admitted since then."""
        return standing.requests_since(
            since=since, tenant_ids=tenant_ids, api_key_ids=api_key_ids
        )

    def unpaid_invoices(self, *, tenant_ids: Collection[int]) -> int:
        """Count the invoices that are drafts or open."""
        rows = Invoice.objects.filter(tenant_id__in=tenant_ids, state__in=_UNPAID)
        return rows.count()
