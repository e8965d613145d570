"""Hold every open invoice against what its provider has, each night.

All open ones of an account are listed, a hundred a page; so are those that are open
here alone, where that takes fewer calls than reading them. Only what does not agree is
read singly and followed, which records what was missed, and says what still differs.
So what no event told of is found within a day.

Failure: an invoice that cannot be followed is logged and holds up no other; an account
that cannot be listed says so on its row. Owns: `Comparison`.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import structlog

from metering.billing.accounts import Account, accounts
from metering.billing.models import Invoice
from metering.billing.operations import CallRefused, OutcomeUnknown
from metering.collection.models import Comparison, Standing
from metering.collection.models.following import TEXT_CHARS_MAX

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client.collected import (
        CollectedInvoice,
        CollectedPage,
    )

PROVIDER = "stripe"

log = structlog.get_logger(__name__)


def compare(*, now: dt.datetime) -> int:
    """Compare each account; return how many invoices had to be read singly.

    Must run outside a transaction.
    """
    return sum(_compare(account, now=now) for account in accounts())


def _compare(account: Account, *, now: dt.datetime) -> int:
    row, _ = Comparison.objects.get_or_create(account=account.name)
    try:
        invoices, differing = _differing(account)
    except (CallRefused, OutcomeUnknown) as error:
        log.warning("comparison_failed", account=account.name, why=str(error))
        Comparison.objects.filter(pk=row.pk).update(problem=str(error)[:TEXT_CHARS_MAX])
        return 0
    failed = [each for each in sorted(differing) if not _follow(account, each, now=now)]
    Comparison.objects.filter(pk=row.pk).update(
        compared_at=now,
        invoices=invoices,
        problem=f"Not followed: {', '.join(failed)}"[:TEXT_CHARS_MAX] if failed else "",
    )
    return len(differing)


def _differing(account: Account) -> tuple[int, set[str]]:
    """Return how many were compared, and what does not agree at first sight."""
    # Without accounts the SDK stays out of the process.
    from metering.billing.providers.stripe.client import client_for  # noqa: PLC0415
    from metering.billing.providers.stripe.mapping import INVOICE_MARK  # noqa: PLC0415
    from metering.collection.following import (  # noqa: PLC0415
        differing,
        listing,
        standings,
    )

    collected = client_for(account.name).collected
    there = {
        each.reference: each
        for each in _all(collected.open_page)
        if INVOICE_MARK in each.metadata
    }
    here = {invoice.provider_reference: invoice for invoice in _open_here(account)}
    apart = there.keys() - here.keys()
    for reference in there.keys() & here.keys():
        if differing.difference(standings.open_here(here[reference]), there[reference]):
            apart.add(reference)
    open_here_alone = [here[each] for each in here.keys() - there.keys()]
    apart |= listing.apart(collected, open_here_alone)
    known = Standing.objects.filter(account=account.name).exclude(difference="")
    apart.update(known.values_list("reference", flat=True))
    return len(here), apart


def _all(page_of: Callable[..., "CollectedPage"]) -> Iterator["CollectedInvoice"]:
    after = ""
    while True:
        page = page_of(after=after)
        yield from page.invoices
        after = page.after
        if not after:
            return


def _open_here(account: Account) -> Iterator[Invoice]:
    rows = Invoice.objects.filter(
        provider=PROVIDER,
        provider_account=account.name,
        state=Invoice.State.OPEN,
        number__isnull=False,
    ).exclude(provider_reference="")
    return rows.order_by("pk").iterator(chunk_size=1000)


def _follow(account: Account, reference: str, *, now: dt.datetime) -> bool:
    from metering.collection.following.invoices import follow_invoice  # noqa: PLC0415

    try:
        follow_invoice(account.name, reference, now=now)
    except Exception:
        log.exception("invoice_not_compared", account=account.name, invoice=reference)
        return False
    return True
