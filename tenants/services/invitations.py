"""Writes of invitations: a place offered to an address, taken by whoever owns it.

Failure: a link that opens nothing is one `NotFound`, whatever the reason. Owns: that a
link is taken once, by an account whose verified address is the invited one.

`open_invitation` and `accept_invitation` are for people who are no members yet, so they
run as the operator role; the link's secret is what opens the one row.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import replace

from django.contrib.auth.models import AbstractBaseUser

from kit import acting
from kit.acting import Actor, ActorKind
from kit.errors import Conflict, NotFound, PermissionDenied, RateLimited
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from kit.orm.saving import change, create
from tenants import invitation_links as links
from tenants.mails.spelling import stored_address
from tenants.models import AuditEntry, Invitation, Member, Project, Tenant
from tenants.roles import as_role
from tenants.services.authority import open_projects, require_may_give, take_turn
from tenants.services.invitation_mail import send_soon
from tenants.services.places import add_places

VALID_FOR = dt.timedelta(days=7)
# Between two mails to one address, so that nobody is flooded in our name.
MAIL_GAP = dt.timedelta(minutes=1)
OPEN_MAX = 500
# To all addresses of a tenant, so that nobody sends mail to strangers in our name.
MAILS_MAX = 1000
MAILS_IN = dt.timedelta(days=1)


def invite(
    *,
    tenant: Tenant,
    email: str,
    role: str,
    project_ids: Collection[int] = (),
    now: dt.datetime,
) -> Invitation:
    """Offer a place to an address; the mail with the link goes out after the commit.

    Raises `InvalidRequest` for what is out of form and for a project that is not there,
    `PermissionDenied` for a role that the caller cannot give, `Conflict` for an address
    that is a member's or has an open invitation, `RateLimited` for one that was written
    to a moment ago, and for a tenant that has written to too many within a day.
    """
    address, offered = stored_address(email), as_role(role)
    with atomic():
        standing = take_turn(tenant.pk)
        require_may_give(offered, standing)
        projects = open_projects(tenant.pk, project_ids)
        _make_room(tenant.pk, address, now)
        _not_too_many(tenant.pk, now)
        row = Invitation(
            tenant=tenant,
            email=address,
            role=offered,
            project_ids=[project.pk for project in projects],
            **_new_link(),
            invited_by_id=standing.member_id,
            expires_at=now + VALID_FOR,
            send_after=now,
        )
        create(row, action="invite")
        send_soon()
    return row


def resend_invitation(*, invitation: Invitation, now: dt.datetime) -> Invitation:
    """Send another link, valid for the whole time again; the one before is dead.

    Raises `PermissionDenied` as `invite` does, `Conflict` when it is not open any more,
    `RateLimited` when the last mail has just gone.
    """
    with atomic():
        standing = take_turn(invitation.tenant_id)
        row = _locked(invitation.pk)
        require_may_give(as_role(row.role), standing)
        if row.accepted_at is not None or row.revoked_at is not None:
            done = "accepted" if row.accepted_at is not None else "revoked"
            raise Conflict(f"The invitation was {done}. Invite the address anew.")
        _not_too_soon(row, now)
        _not_too_many(row.tenant_id, now)
        change(
            row,
            {
                **_new_link(),
                "expires_at": now + VALID_FOR,
                "sent_at": None,
                "send_failures": 0,
                "send_after": now,
            },
            action="resend",
        )
        send_soon()
    return row


def revoke_invitation(*, invitation: Invitation, now: dt.datetime) -> Invitation:
    """Take an offer back; its link opens nothing any more.

    Idempotent: the first instant stays. Raises `Conflict` when it was accepted.
    """
    with atomic():
        take_turn(invitation.tenant_id)
        row = _locked(invitation.pk)
        if row.accepted_at is not None:
            raise Conflict("The invitation was accepted: remove the member instead.")
        if row.revoked_at is None:
            change(row, {"revoked_at": now}, action="revoke")
    return row


def open_invitation(*, text: str, now: dt.datetime) -> Invitation:
    """Return the invitation that a link opens, with its tenant and who invited.

    Raises `NotFound`, the same for a link that is mistyped, unknown, replaced, expired,
    revoked or used.
    """
    digest = links.digest_of(text)
    rows = Invitation.objects.select_related("tenant", "invited_by")
    row = rows.filter(digest=digest, accepted_at=None, revoked_at=None).first()
    if row is None or row.expires_at <= now:
        raise NotFound(
            "This invitation is not valid any more. Ask whoever invited you for another"
            " one."
        )
    return row


def accept_invitation(
    *, text: str, user: AbstractBaseUser, verified: Collection[str], now: dt.datetime
) -> Member:
    """Make an account a member by its invitation; of two at once, one wins.

    `verified` are the addresses that are known to be the account's own. Raises
    `NotFound` as `open_invitation` does, `PermissionDenied` when the invited address is
    none of them, `Conflict` for one who is a member already.
    """
    with atomic():
        tenant_id = open_invitation(text=text, now=now).tenant_id
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant_id)
        # Read again: while we waited it may have been taken, revoked or replaced.
        row = _locked(open_invitation(text=text, now=now).pk)
        if not _is_among(row.email, verified):
            raise PermissionDenied(
                "This invitation is for another e-mail address. Sign in with the"
                " account of the address that it was sent to.",
                code="other_address",
            )
        places = Member.objects.filter(tenant_id=tenant_id, removed_at=None)
        if places.filter(user_id=user.pk).exists():
            raise Conflict("You are a member of this tenant already.")
        member = Member(
            tenant_id=tenant_id,
            user_id=user.pk,
            email=row.email,
            name=_name_of(user),
            role=row.role,
        )
        member.save(force_insert=True)
        with acting.acting_as(_as_member(member)):
            tell(member, action="join", after=values(member))
            add_places(member, _still_open(row))
            change(row, {"accepted_at": now}, action="accept")
    return member


def _is_among(address: str, verified: Collection[str]) -> bool:
    """Tell whether an address is one of these; of others than ASCII it never is.

    A Kelvin sign in lower case is a k: another's address would pass for this one.
    """
    return any(each.isascii() and each.lower() == address for each in verified)


def _make_room(tenant_id: int, address: str, now: dt.datetime) -> None:
    """Refuse an address that has its place or its offer; drop an offer that expired."""
    members = Member.objects.filter(tenant_id=tenant_id, removed_at=None)
    if members.filter(email__iexact=address).exists():
        raise Conflict("This address is a member's already.", param="email")
    rows = Invitation.objects.filter(tenant_id=tenant_id)
    last = rows.filter(email=address).order_by("-pk").first()
    if last is not None:
        _not_too_soon(last, now)
        if last.accepted_at is None and last.revoked_at is None:
            if last.expires_at > now:
                raise Conflict(
                    "There is an open invitation to this address: resend or revoke it.",
                    param="email",
                )
            change(last, {"revoked_at": now}, action="expire")
    waiting = rows.filter(accepted_at=None, revoked_at=None, expires_at__gt=now)
    if waiting.count() >= OPEN_MAX:
        raise Conflict(
            f"There are {OPEN_MAX} open invitations: revoke some of them first."
        )


def _not_too_soon(row: Invitation, now: dt.datetime) -> None:
    wait = row.expires_at - VALID_FOR + MAIL_GAP - now
    if wait > dt.timedelta():
        seconds = max(1, round(wait.total_seconds()))
        raise RateLimited(
            f"This address was written to a moment ago. Try again in {seconds} s.",
            param="email",
            headers={"Retry-After": str(seconds)},
        )


def _not_too_many(tenant_id: int, now: dt.datetime) -> None:
    """Refuse when a tenant has sent its share of mails, revoked ones included."""
    # The audit knows them: a row tells of its last mail alone.
    sent = AuditEntry.objects.filter(
        chain=tenant_id,
        object_kind=Invitation.audited.noun,
        action__in=("invite", "resend"),
        at__gt=now - MAILS_IN,
    )
    if sent[:MAILS_MAX].count() >= MAILS_MAX:
        raise RateLimited(
            f"This tenant has sent {MAILS_MAX} invitations within a day. Try again"
            " tomorrow.",
            headers={"Retry-After": str(int(MAILS_IN.total_seconds()))},
        )


def _locked(invitation_id: int) -> Invitation:
    return Invitation.objects.select_for_update().get(pk=invitation_id)


def _new_link() -> dict[str, str]:
    nonce = links.new_nonce()
    return {"nonce": nonce, "digest": links.digest_of(links.text_of(nonce)) or ""}


def _still_open(row: Invitation) -> list[Project]:
    """Return the offered projects that are still there to be worked in."""
    offered = Project.objects.filter(tenant_id=row.tenant_id, pk__in=row.project_ids)
    return list(offered.filter(archived_at=None))


def _name_of(user: AbstractBaseUser) -> str:
    longest = Member._meta.get_field("name").max_length
    full_name: str = getattr(user, "get_full_name", str)()
    return full_name[:longest]


def _as_member(member: Member) -> Actor:
    """Return the new member as who acts: before this there was nobody to name."""
    actor = Actor(
        ActorKind.MEMBER, member.pk, tenant_id=member.tenant_id, member_id=member.pk
    )
    return replace(actor, request_id=acting.current().request_id)
