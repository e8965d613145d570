"""Who a tenant is at an account: one customer, found again by its mark.

What was ever asked for here may be there: then the account's whole list is read, which
is exact. What was not may still be there, if the database was restored from before; a
search finds that, unless the tenant is so new that its first key is good anyway.

Failure: what its calls raise. Owns: `ProviderCustomer`.
"""

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from kit.orm.atomic import atomic
from metering.billing import operations
from metering.billing.models import BillingProfile, ProviderCustomer
from metering.billing.operations import Call, CallRefused
from metering.billing.providers.stripe import mapping
from metering.billing.providers.stripe.taxpayers import tell_tax_id
from tenants.models import Tenant

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount

PROVIDER = "stripe"


def customer_of(
    client: "StripeAccount", *, account: str, tenant: Tenant, now: dt.datetime
) -> str:
    """Return the tenant's customer, made when it is first asked for.

    It says there what the tenant says here. Runs outside a transaction, by the tenant's
    sole driver.
    """
    profile = BillingProfile.objects.filter(tenant=tenant).first()
    reference = _made(client, tenant, account=account, profile=profile, now=now)
    tell_tax_id(client, _kept(account, tenant).get(), profile, now=now)
    return reference


def _made(
    client: "StripeAccount",
    tenant: Tenant,
    *,
    account: str,
    profile: BillingProfile | None,
    now: dt.datetime,
) -> str:
    params = mapping.customer_params(tenant, profile)
    said = _digest(params)
    kept = _kept(account, tenant).first()
    if kept is not None:
        if kept.said_sha256 not in {"", said}:
            _tell(client, kept, params, said=said, now=now)
        return kept.reference
    mark = mapping.tenant_mark(tenant)
    call = Call(PROVIDER, account, "customer", mark, tenant.pk)

    def keep(reference: str) -> str:
        ProviderCustomer.objects.get_or_create(
            tenant=tenant,
            provider=PROVIDER,
            account=account,
            defaults={"reference": reference, "said_sha256": said},
        )
        return reference

    found = _found(client, call, tenant, now=now)
    if found is not None:
        with atomic():
            operations.adopt(call, reference=keep(found), now=now)
        return found
    return operations.perform(
        call,
        send=lambda key: client.customers.create(params, key=key),
        record=keep,
        now=now,
    )


def _tell(
    client: "StripeAccount",
    kept: ProviderCustomer,
    params: dict[str, object],
    *,
    said: str,
    now: dt.datetime,
) -> None:
    """Say anew who the tenant is: its name, its mail, its place."""
    subject = f"{kept.reference}/{said[:16]}"
    call = Call(PROVIDER, kept.account, "customer_details", subject, kept.tenant_id)

    def keep(reference: str) -> str:
        kept.said_sha256 = said
        kept.save(update_fields=["said_sha256"])
        return reference

    operations.perform(
        call,
        send=lambda key: client.customers.update(kept.reference, params, key=key),
        record=keep,
        now=now,
    )


def _digest(params: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()


def _kept(account: str, tenant: Tenant) -> QuerySet[ProviderCustomer]:
    return ProviderCustomer.objects.filter(
        tenant=tenant, provider=PROVIDER, account=account
    )


def _found(
    client: "StripeAccount", call: Call, tenant: Tenant, *, now: dt.datetime
) -> str | None:
    wanted = (mapping.TENANT_MARK, call.subject)
    if operations.attempted(call):
        return client.customers.find(wanted)
    if operations.first_key_protects(since=tenant.created_at, now=now):
        return None
    try:
        return client.customers.search(wanted)
    except CallRefused:
        # Not every account can be searched.
        return client.customers.find(wanted)


def known_customer(*, account: str, tenant: Tenant) -> str:
    """Return the tenant's customer at an account, or nothing while it has none."""
    rows = _kept(account, tenant)
    return rows.values_list("reference", flat=True).first() or ""


def has_default_method(*, account: str, tenant: Tenant) -> bool:
    """Tell whether the tenant can be charged there without being asked."""
    return _kept(account, tenant).exclude(default_method="").exists()
