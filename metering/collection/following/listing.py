"""Look at invoices that are open here alone, by lists where these take fewer calls.

Those whose money went back, or that are carried, stay open here for months, and are
paid there: most nights none of them has changed.

Failure: what a list does not hold is said to differ, and read singly by the caller.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence

from metering.billing.models import Invoice
from metering.billing.providers.stripe.client.collected import (
    Collected,
    CollectedInvoice,
)
from metering.billing.providers.stripe.client.transport import PAGE_ROWS
from metering.collection.following import differing, standings
from metering.collection.models import Standing

# What clocks may be apart.
SLACK = dt.timedelta(hours=1)


def apart(collected: Collected, invoices: Sequence[Invoice]) -> set[str]:
    """Return which of these do not stand there as they were left, or were not found."""
    known = dict(
        Standing.objects.filter(invoice__in=invoices).values_list("invoice", "status")
    )
    left = {invoice.provider_reference: invoice for invoice in invoices}
    for same_month in _by_month(invoices):
        for remote in _listed(collected, same_month):
            invoice = left.get(remote.reference)
            if invoice is None or known.get(invoice.pk) != remote.status:
                continue
            if not differing.difference(standings.here(invoice), remote):
                del left[remote.reference]
    return set(left)


def _by_month(invoices: Sequence[Invoice]) -> Iterator[list[Invoice]]:
    """Give invoices that were issued together, if they are worth a list."""
    months: defaultdict[tuple[int, int], list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        if invoice.issued_at is not None:
            months[invoice.issued_at.year, invoice.issued_at.month].append(invoice)
    yield from months.values()


def _listed(
    collected: Collected, invoices: Sequence[Invoice]
) -> Iterator[CollectedInvoice]:
    """Give what is listed of when these were made, for as many calls as are saved."""
    since = min(invoice.created_at for invoice in invoices) - SLACK
    until = max(invoice.issued_at or invoice.created_at for invoice in invoices) + SLACK
    ours = Invoice.objects.filter(
        provider=invoices[0].provider,
        provider_account=invoices[0].provider_account,
        created_at__lte=until,
        issued_at__gte=since,
    ).count()
    # Others may have made invoices at this account as well.
    pages_max = len(invoices)
    if 2 * -(-ours // PAGE_ROWS) > pages_max:
        return
    after = ""
    for _ in range(pages_max):
        page = collected.page_of(since=since, until=until, after=after)
        yield from page.invoices
        after = page.after
        if not after:
            return
