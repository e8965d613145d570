"""Forget a person: clear what names them, and keep every chain whole.

What is personal stands in a few columns and in the details of entries. The columns are
emptied, the details that hold the person's fields are deleted, and an entry says which
entries lost theirs: a detail that is gone without one is a difference. The chain holds
salted hashes alone, which nobody can guess back once the salts are gone.

Failure: whoever still has a place, or an account that runs the installation, is not
forgotten; nothing is written. Forgetting again changes nothing. Runs as the operator
role: tenants may not delete details. Owns: the deletion of details.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.models import Session
from django.db.models import F, Func, Model, Q, QuerySet, TextField
from django.db.models.functions import Lower

from kit.errors import Conflict
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import tell
from tenants.audit.accounts import tell_account
from tenants.audit.verification import FORGET, FORGOTTEN
from tenants.mails import sending
from tenants.mails.addresses import digest_of
from tenants.models import (
    AuditDetail,
    AuditEntry,
    BillingAddress,
    Invitation,
    Mail,
    Member,
    Tenant,
)
from tenants.models.audit import INSTALLATION

# One entry that names more would be too long to read.
_NAMED_MAX = 1000
_NAMING = """
SELECT entry_id FROM tenants_auditdetail
 WHERE (%(chain)s::bigint IS NULL OR coalesce(tenant_id, 0) = %(chain)s) AND EXISTS (
       SELECT FROM jsonb_each_text(before) WHERE lower(value) = lower(%(text)s)
       UNION ALL
       SELECT FROM jsonb_each_text(after) WHERE lower(value) = lower(%(text)s))
"""
# What the sign-in keeps of a person beside the account: by it, and by what was typed.
_OF_ACCOUNTS = (
    ("account", "EmailAddress"),
    ("mfa", "Authenticator"),
    ("usersessions", "UserSession"),
)
_OF_NAMES = (
    ("axes", "AccessAttempt"),
    ("axes", "AccessFailureLog"),
    ("axes", "AccessLog"),
)


@dataclass(frozen=True, slots=True)
class ForgottenPerson:
    """How often a person was found and forgotten."""

    members: int
    invitations: int
    tenants: int
    accounts: int


def forget_member(*, member: Member, now: dt.datetime) -> Member:
    """Forget a removed member in its tenant: name, address, invitations, details.

    Raises `Conflict` while the person still has a place there.
    """
    with atomic():
        row = Member.objects.select_for_update().get(pk=member.pk)
        same = Q(user_id=row.user_id)
        if row.email:
            same |= Q(email__iexact=row.email)
        places = Member.objects.filter(same, tenant_id=row.tenant_id, removed_at=None)
        if places.exists():
            raise Conflict(
                f"Member {row.pk} still has a place in tenant {row.tenant_id}: "
                "remove it first."
            )
        email = row.email
        entries = _entries_of(row.tenant_id, "member", row.pk)
        if email:
            _forget_invitations(email, now, tenant_id=row.tenant_id)
            _forget_bills_to(email, now, tenant_id=row.tenant_id)
            entries |= _entries_naming(email, chain=row.tenant_id)
        _clear(row, "email", "name")
        _unname_in_log(row)
        _forget_details(row, entries)
    return row


def forget_billing_email(*, tenant: Tenant) -> Tenant:
    """Forget where a tenant's bills go, and where they went before."""
    with atomic():
        row = Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        entries = _entries_of(row.pk, "tenant", row.pk)
        if row.billing_email:
            _forget_mails(row.billing_email, tenant_id=row.pk)
        _clear(row, "billing_email")
        _forget_details(row, entries)
    return row


def forget_account(*, account: User) -> User:
    """Forget an account: it can sign in no more, and nothing tells whose it was.

    Raises `Conflict` for an operator's account.
    """
    with atomic():
        row = User.objects.select_for_update().get(pk=account.pk)
        if row.is_staff or row.is_superuser:
            raise Conflict(
                f"Account {row.pk} is an operator's: take that from it first."
            )
        for rows in _sign_in_rows(row):
            rows.delete()
        # With a colon, which no name has that somebody is given: it is free.
        row.username = f"forgotten:{row.pk}"
        row.email = row.first_name = row.last_name = ""
        row.is_active = False
        row.set_unusable_password()
        row.save()
        _unname_in_log(row)
        # With those of the change just made, which held the names a last time.
        _forget_details(row, _entries_of(INSTALLATION, "account", row.pk))
    return row


def forget_person(*, email: str, now: dt.datetime) -> ForgottenPerson:
    """Forget whoever has or had an address, everywhere; all or nothing.

    Raises `Conflict` while there is a place left, or an operator's account.
    """
    with atomic():
        members = list(
            Member.objects.filter(Q(email__iexact=email) | Q(user__email__iexact=email))
        )
        tenants = list(Tenant.objects.filter(billing_email__iexact=email))
        accounts = list(User.objects.filter(email__iexact=email))
        invitations = Invitation.objects.filter(email__iexact=email).count()
        for member in members:
            forget_member(member=member, now=now)
        for tenant in tenants:
            forget_billing_email(tenant=tenant)
        for account in accounts:
            forget_account(account=account)
        _forget_invitations(email, now)
        _forget_bills_to(email, now)
        _forget_mentions(email)
        _forget_asked_for(email)
    return ForgottenPerson(len(members), invitations, len(tenants), len(accounts))


def _forget_invitations(
    email: str, now: dt.datetime, *, tenant_id: int | None = None
) -> None:
    """Forget to whom invitations went; an open one could be accepted by nobody."""
    rows = Invitation.objects.select_for_update().filter(email__iexact=email)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    for row in rows:
        if row.accepted_at is None and row.revoked_at is None:
            row.revoked_at = now
            tell(row, action="revoke", after={"revoked_at": now})
        _clear(row, "email", also=("revoked_at",))
        _forget_details(row, _entries_of(row.tenant_id, "invitation", row.pk))


def _forget_bills_to(
    email: str, now: dt.datetime, *, tenant_id: int | None = None
) -> None:
    """Forget an address that bills went to, and that mails of any kind did."""
    rows = BillingAddress.objects.select_for_update().filter(email__iexact=email)
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    for row in rows:
        if row.removed_at is None:
            row.removed_at = now
            tell(row, action="remove", after={"removed_at": now})
        if row.email:
            # Whoever declined is not asked again, not even once forgotten.
            row.digest = digest_of(row.tenant_id, row.email)
        _clear(row, "email", also=("removed_at", "digest"))
        _forget_details(row, _entries_of(row.tenant_id, "billing_address", row.pk))
    _forget_mails(email, tenant_id=tenant_id)


def _forget_mails(email: str, *, tenant_id: int | None) -> None:
    """Take an address out of the log of mails, however it is spelled there."""
    lower = [email.lower()]
    # Held: a reader who is noted meanwhile stays noted.
    rows = (
        Mail.objects.select_for_update()
        .annotate(reached=_lower("addresses"), missed=_lower("refused"))
        .filter(Q(reached__contains=lower) | Q(missed__contains=lower))
    )
    if tenant_id is not None:
        rows = rows.filter(tenant_id=tenant_id)
    for row in rows:
        was_refused = bool(row.refused)
        for name in ("addresses", "refused"):
            left = [
                each for each in getattr(row, name) if each.lower() != email.lower()
            ]
            setattr(row, name, left)
        if was_refused and not row.refused and row.problem:
            row.problem = sending.FORGOTTEN
        row.save(update_fields=["addresses", "refused", "problem"])


def _lower(name: str) -> Func:
    """Return a column of texts in small letters."""
    return Func(
        F(name),
        template="lower(%(expressions)s::text)::text[]",
        output_field=ArrayField(TextField()),
    )


def _forget_mentions(email: str) -> None:
    """Forget an address where it only once stood, such as on earlier bills."""
    entries = AuditEntry.objects.filter(id__in=_entries_naming(email))
    mentions: dict[tuple[int, str], set[int]] = {}
    for entry in entries:
        mentions.setdefault((entry.chain, entry.object_id), set()).add(entry.pk)
    for (chain, object_id), named in sorted(mentions.items()):
        row = User(pk=int(object_id)) if chain == INSTALLATION else Tenant(pk=chain)
        _forget_details(row, named)


def _clear(row: Model, *names: str, also: Iterable[str] = ()) -> None:
    """Empty columns, without telling of what stood there."""
    for name in names:
        setattr(row, name, "")
    row.save(update_fields=[*names, *also])


def _entries_of(chain: int, kind: str, object_id: int) -> set[int]:
    rows = AuditEntry.objects.filter(
        chain=chain, object_kind=kind, object_id=str(object_id)
    )
    return set(rows.exclude(detail_digest="").values_list("id", flat=True))


def _entries_naming(text: str, *, chain: int | None = None) -> set[int]:
    with cursor() as session:
        session.execute(_NAMING, {"chain": chain, "text": text})
        return {entry_id for (entry_id,) in session.fetchall()}


def _forget_details(row: Model, entries: set[int]) -> None:
    """Delete the details of entries, and let the row's chain say that they went."""
    details = AuditDetail.objects.filter(entry_id__in=entries)
    gone = sorted(details.values_list("entry_id", flat=True))
    details.delete()
    told: Callable[..., None] = tell_account if isinstance(row, User) else tell
    for start in range(0, len(gone), _NAMED_MAX):
        named = gone[start : start + _NAMED_MAX]
        told(row, action=FORGET, after={FORGOTTEN: named})


def _sign_in_rows(account: User) -> Iterator[QuerySet[Model]]:
    """Return the rows that an installed sign-in keeps of a person."""
    if apps.is_installed("allauth.usersessions"):
        # What a session remembers of the sign-in has the name in it.
        begun = apps.get_app_config("usersessions").get_model("UserSession")
        keys = begun._default_manager.filter(user=account).values("session_key")
        yield Session.objects.filter(session_key__in=keys)
    for label, name in _OF_ACCOUNTS:
        if apps.is_installed(f"allauth.{label}"):
            model = apps.get_app_config(label).get_model(name)
            yield model._default_manager.filter(user=account)
    yield from _typed_rows(account.username, account.email)


def _typed_rows(*names: str) -> Iterator[QuerySet[Model]]:
    """Return what was counted of attempts to sign in by one of these names."""
    lower = {each.lower() for each in names if each}
    for label, name in _OF_NAMES:
        if apps.is_installed(label):
            model = apps.get_app_config(label).get_model(name)
            typed = model._default_manager.annotate(typed=Lower("username"))
            yield typed.filter(typed__in=lower)


def _forget_asked_for(email: str) -> None:
    """Forget an address that is nobody's: somebody typed it, or asked to have it."""
    for rows in _typed_rows(email):
        rows.delete()
    if apps.is_installed("allauth.account"):
        asked = apps.get_app_config("account").get_model("EmailAddress")
        asked._default_manager.filter(email__iexact=email).delete()


def _unname_in_log(row: Model) -> None:
    """Take the name out of the admin's own log, which copies it at each change."""
    kind = ContentType.objects.get_for_model(row)
    LogEntry.objects.filter(content_type=kind, object_id=str(row.pk)).update(
        object_repr=f"{row._meta.verbose_name} {row.pk}"
    )
