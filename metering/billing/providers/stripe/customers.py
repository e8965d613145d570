"""Who a tenant is at an account: one customer, found again by its mark.

What was ever asked for here may be there: then the account's whole list is read, which
is exact. What was not may still be there, if the database was restored from before; a
search finds that, unless the tenant is so new that its first key is good anyway.

Failure: what its calls raise. Owns: `ProviderCustomer`.
"""

import datetime as dt

from kit.orm.atomic import atomic
from metering.billing import operations
from metering.billing.models import ProviderCustomer
from metering.billing.operations import Call, CallRefused
from metering.billing.providers.stripe import mapping
from metering.billing.providers.stripe.client import StripeAccount
from tenants.models import Tenant

PROVIDER = "stripe"


def customer_of(
    client: StripeAccount, *, account: str, tenant: Tenant, now: dt.datetime
) -> str:
    """Return the tenant's customer, made when it is first asked for.

    Runs outside a transaction, by the tenant's sole driver.
    """
    kept = known_customer(account=account, tenant=tenant)
    if kept:
        return kept
    mark = mapping.tenant_mark(tenant)
    call = Call(PROVIDER, account, "customer", mark, tenant.pk)

    def keep(reference: str) -> str:
        ProviderCustomer.objects.get_or_create(
            tenant=tenant,
            provider=PROVIDER,
            account=account,
            defaults={"reference": reference},
        )
        return reference

    found = _found(client, call, tenant, now=now)
    if found is not None:
        with atomic():
            operations.adopt(call, reference=keep(found), now=now)
        return found
    params = mapping.customer_params(tenant)
    return operations.perform(
        call,
        send=lambda key: client.customers.create(params, key=key),
        record=keep,
        now=now,
    )


def _found(
    client: StripeAccount, call: Call, tenant: Tenant, *, now: dt.datetime
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
    rows = ProviderCustomer.objects.filter(
        tenant=tenant, provider=PROVIDER, account=account
    )
    return rows.values_list("reference", flat=True).first() or ""


def has_default_method(*, account: str, tenant: Tenant) -> bool:
    """Tell whether the tenant can be charged there without being asked."""
    rows = ProviderCustomer.objects.filter(
        tenant=tenant, provider=PROVIDER, account=account
    )
    return rows.exclude(default_method="").exists()
