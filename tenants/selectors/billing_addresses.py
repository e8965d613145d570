"""Reads of the addresses that tenants want their bills sent to, also former ones."""

from django.db.models import QuerySet

from kit.errors import NotFound
from tenants.models import BillingAddress


def named_addresses(
    *,
    tenant_id: int | None = None,
    email: str | None = None,
    confirmed: bool | None = None,
    removed: bool | None = None,
) -> QuerySet[BillingAddress]:
    """List the addresses that were ever named."""
    rows = BillingAddress.objects.all()
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if email is not None:
        rows = rows.filter(email__iexact=email)
    if confirmed is not None:
        rows = rows.filter(confirmed_at__isnull=not confirmed)
    if removed is not None:
        rows = rows.filter(removed_at__isnull=not removed)
    return rows


def named_address(address_id: int) -> BillingAddress:
    """Return one address; raises `NotFound`."""
    row = named_addresses().filter(pk=address_id).first()
    if row is None:
        raise NotFound(f"There is no billing address {address_id}.")
    return row
