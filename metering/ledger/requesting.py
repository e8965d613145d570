"""Credit that takes two people: above a limit one asks for it and another grants it.

What the product grants by itself (top-ups, refunds that are kept) is not asked about:
its payments and notes say what it is for. Without a limit, which is usual, one person
grants as much as they think right.

Failure: what is decided already, or by whoever asked, is refused, and so is what the
grant itself refuses; nothing is half decided. Owns: requests for grants.
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser

from kit.errors import Conflict, PermissionDenied
from kit.money import format_picos
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.ledger.credit import grant_credit
from metering.ledger.models import CreditGrant
from metering.ledger.references import require_theirs
from metering.ledger.request_models import GrantRequest
from tenants.models import Tenant

APPROVE = "ledger.approve_grantrequest"
State = GrantRequest.State


def require_one(amount_picos: int, currency: str) -> None:
    """Refuse to let one person grant what takes two."""
    most: int | None = settings.GRANT_APPROVAL_ABOVE_PICOS
    if most is None or amount_picos <= most:
        return
    raise PermissionDenied(
        f"Above {format_picos(most)} {currency} another person has to approve the"
        " credit: ask for it in the admin, under Credit to approve.",
        code="takes_two",
    )


def ask_grant(
    *, tenant: Tenant, asked_by_id: int, now: dt.datetime, **terms: Any
) -> GrantRequest:
    """Ask for credit; the same again while it waits returns the same request.

    Raises `Conflict` where the reference is granted already or waits with other terms.
    """
    require_theirs(terms["reference"])
    with atomic():
        mine = {"tenant_id": tenant.pk, "reference": terms["reference"]}
        if CreditGrant.objects.filter(**mine).exists():
            raise Conflict("Credit was granted under this reference already.")
        known = GrantRequest.objects.filter(**mine, state=State.WAITING).first()
        if known is not None:
            if any(getattr(known, name) != terms[name] for name in terms):
                raise Conflict("Credit of other terms waits under this reference.")
            return known
        expires_at = terms.get("expires_at")
        if expires_at is not None and expires_at <= now:
            raise Conflict("Give an expiry in the future.", param="expires_at")
        row = GrantRequest(
            tenant_id=tenant.pk,
            currency=tenant.currency,
            asked_by_id=asked_by_id,
            **terms,
        )
        create(row, action="ask")
        row.refresh_from_db()
    return row


def approve_grant(
    *, request: GrantRequest, by: AbstractUser, now: dt.datetime
) -> GrantRequest:
    """Grant what another person asked for. Raises `Conflict` or `PermissionDenied`."""
    with atomic():
        row = _to_decide(request, by)
        grant = grant_credit(
            tenant=Tenant.objects.get(pk=row.tenant_id),
            now=now,
            source=row.source,
            amount_picos=row.amount_picos,
            priority=row.priority,
            expires_at=row.expires_at,
            reference=row.reference,
        )
        _decide(row, by, now, action="approve", state=State.APPROVED, grant=grant)
    return row


def decline_grant(
    *, request: GrantRequest, by: AbstractUser, now: dt.datetime
) -> GrantRequest:
    """Grant nothing. Raises `Conflict` or `PermissionDenied`."""
    with atomic():
        row = _to_decide(request, by)
        _decide(row, by, now, action="decline", state=State.DECLINED)
    return row


def _to_decide(request: GrantRequest, by: AbstractUser) -> GrantRequest:
    """Lock a request that this person may decide."""
    if not by.has_perm(APPROVE):
        raise PermissionDenied(f"Your account needs the permission {APPROVE}.")
    row = GrantRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if row.state != State.WAITING:
        raise Conflict(f"It is {row.state} already.")
    if row.asked_by_id == by.pk:
        raise PermissionDenied("You asked for it: another person decides.")
    return row


def _decide(
    row: GrantRequest,
    by: AbstractUser,
    now: dt.datetime,
    *,
    action: str,
    **came_to: object,
) -> None:
    decided = {"decided_by_id": by.pk, "decided_at": now}
    change(row, {**decided, **came_to}, action=action)
