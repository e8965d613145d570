"""Tell Stripe a tenant's tax id, and another one when that changes.

An id that Stripe does not take holds up no invoice: the customer's row says why, until
another one is written. Any other refusal waits in the outbox and is tried again.

Failure: `OutcomeUnknown` passes: what was to be done waits for an answer. Owns:
`ProviderCustomer.tax_id_*`.
"""

import datetime as dt
from typing import TYPE_CHECKING

from metering.billing import operations, outbox
from metering.billing.models import BillingProfile, ProviderCustomer
from metering.billing.operations import Call, CallRefused, NotYet
from metering.billing.providers.stripe.tax_ids import TaxId, Unclear, tax_id_of

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.tax_ids import RemoteTaxId

PROBLEM_CHARS_MAX = 300
TOLD = "tax_id"
# What Stripe says of a value that is none of its kind.
INVALID = "tax_id_invalid"
# What offices say of ids: see `RemoteTaxId.checked`.
UNKNOWN_THERE = "unverified"
NOT_KNOWN = "The tax office does not know it."


def tell_tax_id(
    client: "StripeAccount",
    kept: ProviderCustomer,
    profile: BillingProfile | None,
    *,
    now: dt.datetime,
) -> None:
    """Make a customer's tax id there the one that its tenant gives here."""
    try:
        wanted = tax_id_of(profile.country, profile.tax_id) if profile else None
    except Unclear as why:
        wanted, problem = None, str(why)
    else:
        problem = ""
    said = wanted.sha256 if wanted else ""
    if said == kept.tax_id_sha256:
        # Of one that is told, the problem is Stripe's to say.
        if not said and problem != kept.tax_id_problem:
            _keep(kept, tax_id_problem=problem)
        return
    try:
        _replace(client, kept, wanted, now=now)
    except NotYet:
        return
    except CallRefused as refusal:
        _keep(kept, tax_id_problem=str(refusal)[:PROBLEM_CHARS_MAX])
        if refusal.code == INVALID and wanted is not None:
            # Asked again it would be the same: it waits for another id.
            outbox.give_up(_call(kept, wanted), now=now)
            _keep(kept, tax_id_sha256=said)
    else:
        if wanted is None:
            _keep(kept, tax_id_sha256="", tax_id_problem=problem)


def _replace(
    client: "StripeAccount",
    kept: ProviderCustomer,
    wanted: TaxId | None,
    *,
    now: dt.datetime,
) -> None:
    _give_up_others(client, kept, wanted, now=now)
    if kept.tax_id_reference:
        _take(client, kept, kept.tax_id_reference, now=now)
        _keep(kept, tax_id_reference="", tax_id_sha256="")
    if wanted is None:
        return

    def keep(made: "RemoteTaxId") -> str:
        return _keep(
            kept,
            tax_id_reference=made.reference,
            tax_id_sha256=wanted.sha256,
            tax_id_problem=problem_of(made.checked),
        )

    call = _call(kept, wanted)
    if operations.attempted(call):
        for found in client.tax_ids.of_customer(kept.reference):
            if (found.kind, found.value) == (wanted.kind, wanted.value):
                operations.adopt(call, reference=keep(found), now=now)
                return
    operations.perform(
        call,
        send=lambda key: client.tax_ids.create(
            kept.reference, wanted.kind, wanted.value, key=key
        ),
        record=keep,
        now=now,
    )


def _give_up_others(
    client: "StripeAccount",
    kept: ProviderCustomer,
    wanted: TaxId | None,
    *,
    now: dt.datetime,
) -> None:
    """Make calls about other ids no more, and undo those whose answer was lost."""
    calls = outbox.undone().filter(
        provider=kept.provider,
        account=kept.account,
        name=TOLD,
        subject__startswith=f"{kept.reference}/",
    )
    marks = set(calls.values_list("subject", flat=True))
    if wanted is not None:
        marks.discard(_call(kept, wanted).subject)
    if not marks:
        return
    for found in client.tax_ids.of_customer(kept.reference):
        other = _call(kept, TaxId(found.kind, found.value))
        if other.subject in marks:
            _take(client, kept, found.reference, now=now)
    for subject in marks:
        call = Call(kept.provider, kept.account, TOLD, subject, kept.tenant_id)
        outbox.give_up(call, now=now)


def _take(
    client: "StripeAccount", kept: ProviderCustomer, reference: str, *, now: dt.datetime
) -> None:
    """Take an id from the customer there."""
    call = Call(
        kept.provider,
        kept.account,
        "tax_id_gone",
        f"{kept.reference}/{reference}",
        kept.tenant_id,
    )
    operations.perform(
        call,
        send=lambda key: client.tax_ids.delete(kept.reference, reference, key=key),
        record=lambda gone: gone,
        now=now,
    )


def problem_of(checked: str) -> str:
    """Return what is wrong with a tax id, by what its country's office says."""
    return NOT_KNOWN if checked == UNKNOWN_THERE else ""


def _call(kept: ProviderCustomer, wanted: TaxId) -> Call:
    subject = f"{kept.reference}/{wanted.sha256[:16]}"
    return Call(kept.provider, kept.account, TOLD, subject, kept.tenant_id)


def _keep(kept: ProviderCustomer, **said: str) -> str:
    for name, value in said.items():
        setattr(kept, name, value)
    kept.save(update_fields=list(said))
    return kept.tax_id_reference
