"""Let a draft whose provider cannot take it be issued by this installation.

A person decides that, of one draft at a time. It keeps its lines and its total, is
issued with the next scan, and is paid by hand. What its provider was asked for already
is not asked any more; a draft that it made there is deleted by a worker, so that nobody
opens it beside ours.

Failure: all or nothing. A `Conflict` for what has its number, what is being driven or
is in doubt, and what waits for tax that only its provider computes. Owns nothing.
"""

import datetime as dt

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.billing import operations, outbox
from metering.billing.driving import sole_driver
from metering.billing.models import Invoice, ProviderOperation
from metering.billing.operations import Call
from metering.billing.taxing import has_its_tax

HERE = "offline"
# The one call about an invoice that is made after it left its provider.
DELETE_DRAFT = "delete_draft"
_IN_DOUBT = (ProviderOperation.State.INTENT, ProviderOperation.State.UNKNOWN)


def issue_here(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """Take a draft from its provider, to be issued by this installation."""
    with sole_driver(provider=invoice.provider, tenant_id=invoice.tenant_id) as alone:
        if not alone:
            raise Conflict("Its provider is at it right now: try again in a minute.")
        with atomic():
            row = Invoice.objects.select_for_update(of=("self",)).get(pk=invoice.pk)
            _require_free(row)
            outbox.drop(row, about="", now=now)
            if row.provider_reference:
                operations.intend(_deletion_of(row), now=now)
            changes = {
                "provider": HERE,
                "provider_reference": "",
                "problem": "",
                "tries": 0,
                "try_after": None,
            }
            before = {name: getattr(row, name) for name in changes}
            for name, value in changes.items():
                setattr(row, name, value)
            row.save(update_fields=list(changes))
            tell(row, action="issue_here", before=before, after=changes)
    return row


def _require_free(row: Invoice) -> None:
    if row.number is not None:
        raise Conflict("It is issued: only a draft can leave its provider.")
    if row.provider == HERE:
        raise Conflict("This installation issues it already.")
    if not has_its_tax(row):
        raise Conflict(
            f"Its tax is computed by {row.provider}, and was not yet: mend what its"
            " problem says, or set how its tenant is taxed for what comes."
        )
    calls = ProviderOperation.objects.filter(invoice=row, state__in=_IN_DOUBT)
    if calls.exists():
        raise Conflict(
            f"{row.provider} has not said what became of a call about it: let it be"
            " tried again first."
        )


def _deletion_of(row: Invoice) -> Call:
    return Call(
        row.provider,
        row.provider_account,
        DELETE_DRAFT,
        row.provider_reference,
        row.tenant_id,
        row,
    )
