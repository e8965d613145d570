"""Writes of tenants."""

from typing import TypedDict, Unpack

from kit.acting import current
from kit.errors import PermissionDenied
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from tenants.mails.spelling import require_plain
from tenants.models import Tenant
from tenants.services.projects import DEFAULT_PROJECT, create_project


class TenantChanges(TypedDict, total=False):
    """What may change of a tenant; its slug and currency are on records for good."""

    name: str
    zone: str
    period_day: int
    billing_email: str


def create_tenant(
    *,
    slug: str,
    name: str,
    currency: str = "USD",
    zone: str = "UTC",
    billing_email: str = "",
    payment_mode: str = Tenant.PaymentMode.POSTPAID,
    period_day: int = 1,
) -> Tenant:
    """Create a tenant with its default project.

    Raises `Conflict` when the slug is taken, `InvalidRequest` for a value out of form.
    """
    tenant = Tenant(
        slug=slug,
        name=name,
        currency=currency,
        zone=zone,
        billing_email=billing_email,
        payment_mode=payment_mode,
        period_day=period_day,
    )
    require_plain(billing_email, param="billing_email")
    with atomic():
        create(tenant)
        create_project(tenant=tenant, slug=DEFAULT_PROJECT, name="Default")
    return tenant


def update_tenant(*, tenant: Tenant, **changes: Unpack[TenantChanges]) -> Tenant:
    """Change a tenant.

    A new zone and a new day on which its billing periods begin take effect with the
    next period; with a new day, that period is shorter than a month.

    Raises `PermissionDenied` for a tenant that gives another billing address: whoever
    has it is not asked. It names those that are asked, and may clear this one.
    """
    email = changes.get("billing_email", "")
    require_plain(email, param="billing_email")
    with atomic():
        row = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if email not in ("", row.billing_email) and not current().is_operator:
            raise PermissionDenied(
                "Operators give this address. Name one of your own in the console's"
                " billing details: whoever has it is asked first.",
                param="billing_email",
            )
        change(row, changes)
    return row


def set_payment_mode(*, tenant: Tenant, payment_mode: str) -> Tenant:
    """Let a tenant pay from credit before use, or by invoice after it. Idempotent.

    What it used until now stays as it was paid: only use from now on burns credit.
    """
    with atomic():
        row = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        change(row, {"payment_mode": payment_mode}, action="set_payment_mode")
    return row


def suspend_tenant(
    *, tenant: Tenant, reason: str = Tenant.SuspendedFor.PEOPLE
) -> Tenant:
    """Refuse every call of a tenant until it is restored. Idempotent.

    What people suspended stays theirs; people may make theirs what is suspended for
    unpaid invoices, so that a payment does not end it.
    """
    with atomic():
        row = _locked(tenant)
        if row.state == Tenant.State.SUSPENDED and reason:
            return row
        changes = {"state": Tenant.State.SUSPENDED, "suspended_for": reason}
        change(row, changes, action="suspend")
    return row


def restore_tenant(*, tenant: Tenant) -> Tenant:
    """Let a suspended tenant call again. Idempotent."""
    with atomic():
        return _restored(_locked(tenant))


def recover_tenant(*, tenant: Tenant) -> Tenant:
    """Let a tenant call again that is suspended for unpaid invoices, and no other."""
    with atomic():
        row = _locked(tenant)
        unpaid = row.suspended_for == Tenant.SuspendedFor.UNPAID
        return _restored(row) if unpaid else row


def _restored(row: Tenant) -> Tenant:
    changes = {
        "state": Tenant.State.ACTIVE,
        "suspended_for": Tenant.SuspendedFor.PEOPLE,
    }
    change(row, changes, action="restore")
    return row


def _locked(tenant: Tenant) -> Tenant:
    return Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
