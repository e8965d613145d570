"""Find the invoices whose provider is not done, and let it go on with each.

One process looks at a time; it drives several tenants at once where the provider is
elsewhere, and the invoices of one tenant in their order. What could not go on is left
alone for a while, longer and longer, so that many that are held cost next to nothing.

Failure: an invoice that fails, by whatever, holds up no other. A provider's account
that gives no answer again and again is left alone until the next scan.
"""

import datetime as dt
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

import structlog
from django.db.models import Q, QuerySet

from kit.errors import Conflict
from kit.orm.audited import tell
from metering.billing.at_once import each_at_once
from metering.billing.driving import sole_scan
from metering.billing.models import Invoice
from metering.billing.providers.base import Progress, finished
from metering.billing.providers.registry import (
    UnknownProvider,
    provider_for,
    provider_named,
)

log = structlog.get_logger(__name__)

State = Invoice.State
TRY_AFTER = dt.timedelta(minutes=1)
HELD_MAX = dt.timedelta(hours=1)
DELAYED_MAX = dt.timedelta(minutes=10)
# A scan's `now` gets old; the next one goes on where this one stopped.
SCAN_S_MAX = 300
SCAN_ROWS = 500
# So many of an account in a row got no answer.
DELAYS_MAX = 16


def advance_invoice(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """Let the invoice's provider take it as far as it can go now; return how it is."""
    provider_for(invoice).advance(invoice, now=now)
    return Invoice.objects.get(pk=invoice.pk)


def advance_invoices(*, now: dt.datetime) -> int:
    """Advance every invoice that is due; return how many are finished by that.

    Does nothing while another process does it. Must run outside a transaction:
    providers commit what they are about to do.
    """
    with sole_scan() as alone:
        return _Scan(now).run() if alone else 0


def try_now(*, invoice: Invoice) -> Invoice:
    """Let an invoice that waits be tried with the next scan.

    Raises `Conflict` for one whose provider is done.
    """
    if finished(invoice):
        raise Conflict("This invoice is with its payer already.")
    if invoice.try_after is not None:
        before = {"try_after": invoice.try_after, "tries": invoice.tries}
        invoice.try_after, invoice.tries = None, 0
        invoice.save(update_fields=["try_after", "tries"])
        tell(invoice, action="try", before=before, after={"tries": 0})
    return invoice


def unfinished() -> QuerySet[Invoice]:
    """Return the invoices that lack their number or the page that their payer sees."""
    states = (State.DRAFT, State.OPEN, State.PAID)
    return Invoice.objects.filter(state__in=states, hosted_url="")


class _Scan:
    """One look at all that is due."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._ends_s = time.monotonic() + SCAN_S_MAX
        self._lock = threading.Lock()
        self._finished = 0
        self._delays: dict[tuple[str, str], int] = defaultdict(int)

    def run(self) -> int:
        """Drive what is due, provider by provider."""
        names = unfinished().order_by("provider").values_list("provider", flat=True)
        for name in names.distinct():
            try:
                at_once = provider_named(name).at_once
            except UnknownProvider:
                log.exception("invoices_without_a_provider", provider=name)
                continue
            for page in self._pages(name):
                self._drive_page(page, at_once)
        return self._finished

    def _drive_page(self, tenants: list[list[Invoice]], at_once: int) -> None:
        each_at_once(tenants, self._drive, at_once=at_once, most=len(tenants))

    def _pages(self, provider: str) -> Iterator[list[list[Invoice]]]:
        """Yield what is due, page by page, by tenant."""
        last = 0
        due = unfinished().filter(
            Q(try_after=None) | Q(try_after__lte=self._now), provider=provider
        )
        while time.monotonic() < self._ends_s:
            rows = list(due.filter(pk__gt=last).order_by("pk")[:SCAN_ROWS])
            if not rows:
                return
            last = rows[-1].pk
            by_tenant: dict[int, list[Invoice]] = defaultdict(list)
            for row in rows:
                by_tenant[row.tenant_id].append(row)
            yield list(by_tenant.values())

    def _drive(self, tenants: Iterable[list[Invoice]]) -> None:
        for invoice in itertools.chain.from_iterable(tenants):
            if time.monotonic() >= self._ends_s:
                return
            if not self._is_silent(invoice):
                self._advance(invoice)

    def _advance(self, invoice: Invoice) -> None:
        try:
            progress = provider_for(invoice).advance(invoice, now=self._now)
        except Exception:
            # A bug met by one invoice: the others are still issued.
            log.exception("invoice_not_advanced", invoice=str(invoice.public_id))
            progress = Progress.HELD
        self._count(invoice, progress)
        if progress in {Progress.HELD, Progress.DELAYED}:
            _put_off(invoice, progress, now=self._now)

    def _count(self, invoice: Invoice, progress: Progress) -> None:
        with self._lock:
            self._finished += progress is Progress.FINISHED
            if progress is Progress.DELAYED:
                self._delays[_account(invoice)] += 1
            elif progress is not Progress.TAKEN:
                self._delays[_account(invoice)] = 0

    def _is_silent(self, invoice: Invoice) -> bool:
        with self._lock:
            return self._delays[_account(invoice)] >= DELAYS_MAX


def _put_off(invoice: Invoice, progress: Progress, *, now: dt.datetime) -> None:
    longest = HELD_MAX if progress is Progress.HELD else DELAYED_MAX
    tries = min(invoice.tries, 16)
    Invoice.objects.filter(pk=invoice.pk).update(
        tries=tries + 1, try_after=now + min(TRY_AFTER * 2**tries, longest)
    )


def _account(invoice: Invoice) -> tuple[str, str]:
    return invoice.provider, invoice.provider_account
