"""Reads of invitations."""

import datetime as dt

from django.db.models import Case, CharField, QuerySet, Value, When

from kit.errors import NotFound
from tenants.models import Invitation


def invitations(
    *,
    now: dt.datetime,
    tenant_id: int | None = None,
    email: str | None = None,
    role: str | None = None,
    state: str | None = None,
) -> QuerySet[Invitation]:
    """List invitations, each with its `state` now."""
    rows = Invitation.objects.annotate(
        state=Case(
            When(accepted_at__isnull=False, then=Value(Invitation.State.ACCEPTED)),
            When(revoked_at__isnull=False, then=Value(Invitation.State.REVOKED)),
            When(expires_at__lte=now, then=Value(Invitation.State.EXPIRED)),
            default=Value(Invitation.State.OPEN),
            output_field=CharField(),
        )
    )
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    if email is not None:
        rows = rows.filter(email__iexact=email)
    if role is not None:
        rows = rows.filter(role=role)
    if state is not None:
        rows = rows.filter(state=state)
    return rows


def invitation(invitation_id: int, *, now: dt.datetime) -> Invitation:
    """Return one invitation, with its `state` now; raises `NotFound`."""
    row = invitations(now=now).filter(pk=invitation_id).first()
    if row is None:
        raise NotFound(f"There is no invitation {invitation_id}.")
    return row
