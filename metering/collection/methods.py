"""Keep what tenants can pay with as the provider has it.

The whole list of a customer is read each time, and what is kept follows it: so it does
not matter which news came, in which order, or how often.

Failure: an account that cannot be read leaves what was read last. Owns: payment
methods, and which of them invoices are charged to.
"""

import datetime as dt
from typing import TYPE_CHECKING

import structlog

from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from kit.orm.saving import change, create
from metering.billing import operations
from metering.billing.accounts import UnknownAccount
from metering.billing.models import ProviderCustomer
from metering.billing.operations import (
    Call,
    CallRefused,
    NotYet,
    OutcomeUnknown,
)
from metering.billing.outbox import undone
from metering.billing.providers.stripe.customers import PROVIDER
from metering.collection.models import PaymentMethod
from metering.collection.providing import client_of

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client.methods import RemoteMethod

# What the call is named that makes a method the default one.
PREFER = "default_method"
log = structlog.get_logger(__name__)
_SHOWN = ("kind", "brand", "last4", "exp_month", "exp_year")


def read_methods(
    *, customer: ProviderCustomer, now: dt.datetime
) -> list[PaymentMethod]:
    """Read what a customer can pay with, and keep it; the default one comes first."""
    client = client_of(customer.account)
    found = client.methods.of_customer(customer.reference)
    default = client.methods.default_of(customer.reference)
    return _keep(customer, found, default, now)


def default_method(*, tenant_id: int, account: str) -> PaymentMethod | None:
    """Return what a tenant pays with at an account unless told otherwise."""
    return PaymentMethod.objects.filter(
        tenant_id=tenant_id, account=account, is_default=True
    ).first()


def prefer_first(*, customer: ProviderCustomer, now: dt.datetime) -> None:
    """Let a customer that has no default pay with its latest method from now on.

    Who pays on a page agrees there that the method is kept for later payments.
    """
    kept = read_methods(customer=customer, now=now)
    if not kept or kept[0].is_default:
        return
    method = kept[0].reference
    call = Call(PROVIDER, customer.account, PREFER, method, customer.tenant_id)
    if operations.succeeded(call):
        return
    operations.perform(
        call,
        send=lambda key: client_of(customer.account).methods.set_default(
            customer.reference, method, key=key
        ),
        record=lambda _: method,
        now=now,
    )
    read_methods(customer=customer, now=now)


def settle_preferences(*, now: dt.datetime) -> None:
    """See through what was begun by `prefer_first`, and whose answer was lost."""
    for row in undone().filter(provider=PROVIDER, name=PREFER):
        customer = ProviderCustomer.objects.filter(
            provider=PROVIDER, account=row.account, tenant_id=row.tenant_id
        ).first()
        if customer is None:
            continue
        try:
            prefer_first(customer=customer, now=now)
        except (CallRefused, NotYet, OutcomeUnknown, UnknownAccount) as delay:
            log.info("preference_waits", customer=customer.pk, why=str(delay))
            continue
        # It is the default, or another one was chosen since.
        call = Call(PROVIDER, row.account, PREFER, row.subject, row.tenant_id)
        operations.adopt(call, reference=row.subject, now=now)


def customer_with(*, account: str, reference: str) -> ProviderCustomer | None:
    """Return the customer of ours that an account knows by a reference."""
    return ProviderCustomer.objects.filter(
        provider=PROVIDER, account=account, reference=reference
    ).first()


def _keep(
    customer: ProviderCustomer,
    found: "list[RemoteMethod]",
    default: str,
    now: dt.datetime,
) -> list[PaymentMethod]:
    with atomic():
        # Two that read at once take turns: what is there is gone through in one order.
        held = ProviderCustomer.objects.select_for_update().get(pk=customer.pk)
        rows = PaymentMethod.objects.filter(
            tenant_id=held.tenant_id, account=held.account
        )
        rows.filter(is_default=True).exclude(reference=default).update(is_default=False)
        for gone in rows.exclude(reference__in=[each.reference for each in found]):
            tell(gone, action="remove", before=values(gone))
            gone.delete()
        for each in found:
            _keep_one(held, each, is_default=each.reference == default, now=now)
        is_there = any(each.reference == default for each in found)
        held.default_method = default if is_there else ""
        held.save(update_fields=["default_method"])
        return list(rows.order_by("-is_default", "-id"))


def _keep_one(
    customer: ProviderCustomer,
    found: "RemoteMethod",
    *,
    is_default: bool,
    now: dt.datetime,
) -> None:
    said = {name: getattr(found, name) for name in _SHOWN}
    said["is_default"] = is_default
    row = PaymentMethod.objects.filter(
        account=customer.account, reference=found.reference
    ).first()
    if row is None:
        row = PaymentMethod(
            tenant_id=customer.tenant_id,
            account=customer.account,
            reference=found.reference,
            read_at=now,
            **said,
        )
        create(row, action="add")
    else:
        change(row, said)
        # That it was read again is no change of it.
        PaymentMethod.objects.filter(pk=row.pk).update(read_at=now)
