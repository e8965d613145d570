"""Operators look at a tenant's console as its members see it: for a while, and reading.

Who may see all that it shows begins it on the tenant's page in the admin. That is told
to the tenant's audit, and every page says so. What is looked at is in the operator's
session: nobody becomes a member, and what a member alone has, such as personal tokens,
is not there.

Failure: once the time is over, or a right is gone, the tenant is answered as one that
does not exist. Owns: what a session says of it.
"""

import datetime as dt
from typing import Final

from django.http import HttpRequest

from kit.acting import Actor, ActorKind, current
from kit.errors import NotFound
from kit.orm.atomic import atomic
from kit.orm.audited import take_turn, tell
from kit.scopes import READS, Scope
from tenants import selectors
from tenants.models import Member, Role, Tenant

LOOKS_FOR: Final = dt.timedelta(minutes=30)
# What the pages show: nobody sees more by looking than in the admin.
RIGHTS: Final = (
    "tenants.view_tenant",
    "tenants.view_member",
    "tenants.view_apikey",
    "tenants.view_budget",
    "tenants.view_auditentry",
    "usage.view_dayrollup",
    "billing.view_invoice",
    "ledger.view_creditgrant",
    "alerts.view_endpoint",
)
# Personal tokens are a member's own.
_SEEN = READS - {Scope.TOKENS_READ}
_SESSION = "looks_at"


def begin(request: HttpRequest, *, tenant: Tenant, now: dt.datetime) -> None:
    """Let the operator's session look at a tenant, and tell the tenant's audit."""
    with atomic():
        take_turn(tenant.pk)
        tell(tenant, action="look_at")
    until = (now + LOOKS_FOR).isoformat()
    request.session[_SESSION] = {"tenant": tenant.slug, "until": until}


def end(request: HttpRequest) -> None:
    """Look at nothing any more."""
    request.session.pop(_SESSION, None)


def place_looked_at(request: HttpRequest, *, slug: str, now: dt.datetime) -> Member:
    """Return the place of one who only looks, which no row is; raises `NotFound`."""
    looks = request.session.get(_SESSION) or {}
    user = request.user
    if (
        looks.get("tenant") != slug
        or dt.datetime.fromisoformat(looks["until"]) <= now
        or not user.is_staff
        or not user.has_perms(RIGHTS)
    ):
        raise NotFound("You are a member of no such tenant.")
    return Member(
        tenant=selectors.tenant_by_slug(slug), user_id=user.pk, role=Role.VIEWER
    )


def is_looking(place: Member) -> bool:
    """Tell whether a place is that of an operator who only looks."""
    return place.pk is None


def actor_looking(place: Member) -> Actor:
    """Return who acts when an operator looks: it reads this tenant, and no more."""
    return Actor(
        ActorKind.OPERATOR,
        place.user_id,
        tenant_id=place.tenant_id,
        scopes=_SEEN,
        request_id=current().request_id,
        is_suspended=place.tenant.state == Tenant.State.SUSPENDED,
    )
