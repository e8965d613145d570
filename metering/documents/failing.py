"""Tell tenants by mail that a payment could not be collected, while there is time.

A provider that fails to collect an invoice is asked how it stands there
(`metering.collection`), and each of its attempts that failed is told once: what is
open, why, and when it is tried again. Of credit that was to be bought its own mail
tells.

Failure: what was paid meanwhile is told to nobody, and the outbox says so. Owns: what
these mails say.
"""

import datetime as dt

from kit.money import format_minor
from metering.billing.models import Invoice
from metering.collection.models import Standing
from tenants.mail import plain
from tenants.mails.addresses import bill_readers
from tenants.mails.letter import Action, Letter, console_address, moment
from tenants.mails.sending import Composed, tell_by_mail
from tenants.models import Mail

NEWS = dt.timedelta(days=2)
LATEST = 2000
_REASON_CHARS_MAX = 300


def tell_of_failures(*, now: dt.datetime) -> int:
    """Let mails wait for attempts that failed; return how many are new.

    The number of a mail is which attempt it was: the same one again tells nothing, nor
    does one that failed long ago and was looked at again.
    """
    failed = (
        Standing.objects.exclude(failure="")
        .filter(failed_at__gt=now - NEWS, invoice__state=Invoice.State.OPEN)
        .exclude(invoice__kind=Invoice.Kind.TOP_UP)
        .order_by("-failed_at")
        .values_list("tenant_id", "invoice_id", "attempt_count")
    )
    return tell_by_mail(kind=Mail.Kind.UNCOLLECTED, told=list(failed[:LATEST]), now=now)


def failed_letter(mail: Mail) -> Composed | None:
    """Compose the mail of an attempt; None once it is paid, or another one failed."""
    standing = (
        Standing.objects.select_related("invoice__tenant")
        .exclude(failure="")
        .filter(
            pk=mail.subject_id,
            attempt_count=mail.number,
            invoice__state=Invoice.State.OPEN,
        )
        .first()
    )
    if standing is None:
        return None
    return Composed(letter_of(standing), bill_readers(standing.invoice.tenant))


def letter_of(standing: Standing) -> Letter:
    """Return what the mail of an attempt that failed says."""
    invoice = standing.invoice
    tenant, number = plain(invoice.tenant.name), invoice.number or ""
    still_open = format_minor(standing.remaining_minor, invoice.currency)
    again = standing.next_attempt_at
    follows = (
        "It is tried again by itself. Pay it earlier, or name another payment method,"
        " on the invoice's page."
        if again
        else "It is not tried again by itself: please pay it on the invoice's page."
    )
    rest = f"billing/invoices/{invoice.public_id}/"
    return Letter(
        subject=f"{tenant}: {still_open} of invoice {number} could not be collected",
        headline=f"{still_open} of invoice {number} could not be collected",
        paragraphs=(follows,),
        facts=(
            ("Tenant", f"“{tenant}”"),
            ("Invoice", number),
            ("Open", still_open),
            ("Reason", " ".join(standing.failure.split())[:_REASON_CHARS_MAX]),
            ("Tried again", moment(again, invoice.tenant.zone) if again else "no"),
        ),
        action=Action("Pay the invoice", console_address(invoice.tenant.slug, rest)),
        small=("If you have paid already, there is nothing to do.",),
    )
