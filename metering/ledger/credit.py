"""Grant credit, reverse it, end it, and note what use has taken of each grant.

What is left of credit limits a prepaid tenant (`credit_limit` in SQL). Each write holds
the tenant's count of use still, settles what use has taken of the grants so far, and
recalls the leases: so credit given burns only for what comes after it, and what is
taken away holds at once on every gateway.

Failure: all or nothing, books and grant together. A reference that was granted before
answers with that grant, and is a `Conflict` with other terms. Owns: grants and their
accounts, but for expiry, which also happens by itself where leases are granted.
"""

import datetime as dt
from typing import Required, TypedDict, Unpack

from kit.errors import Conflict, InvalidRequest
from kit.money import format_picos
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import tell
from kit.orm.saving import change, create
from metering.budgets.recalling import hold_credit
from metering.ledger.models import (
    PRIORITY,
    Account,
    CreditAccount,
    CreditGrant,
    Transaction,
)
from metering.ledger.posting import Amount, Posting, post
from tenants.models import Tenant

_Source = CreditGrant.Source
# Where a grant is owed to its tenant, and what it was taken from.
_BOOKED = {
    _Source.TOP_UP: (Account.Kind.WALLET, Account.Kind.CASH),
    _Source.PROMOTIONAL: (Account.Kind.PROMOTIONAL, Account.Kind.DISCOUNTS),
    _Source.ADJUSTMENT: (Account.Kind.WALLET, Account.Kind.DISCOUNTS),
}
# What is earned by what expires, as `credit_expire` books it.
_EXPIRED_TO = {_Source.TOP_UP: Account.Kind.BREAKAGE}
_SETTLE = "SELECT credit_settle(%s, %s, %s)"
_EXPIRE = "SELECT credit_expire(%s, %s)"
# A postpaid tenant's grants end as the period is closed in which they run out.
_DUE = """
SELECT DISTINCT it.tenant_id FROM ledger_creditgrant it
JOIN ledger_creditaccount account ON account.tenant_id = it.tenant_id
WHERE it.expired_at IS NULL AND it.expires_at <= %s AND account.paused_at_picos IS NULL
ORDER BY it.tenant_id
"""


class GrantTerms(TypedDict, total=False):
    """What a grant says; without `expires_at` it never expires.

    With `for_models` it pays for the use of these served models only.
    """

    source: Required[str]
    amount_picos: Required[int]
    reference: Required[str]
    priority: int
    expires_at: dt.datetime | None
    for_models: list[str]


def grant_credit(
    *,
    tenant: Tenant,
    now: dt.datetime,
    taken_from: Account.Kind | None = None,
    **terms: Unpack[GrantTerms],
) -> CreditGrant:
    """Give a tenant credit, once for each reference.

    What was paid for it is cash, unless `taken_from` names the account on which the
    payment already stands. Raises `Conflict` when the reference was granted with other
    terms, and `InvalidRequest` for what makes no sense.
    """
    with atomic():
        posted = hold_credit(tenant_id=tenant.pk)
        known = CreditGrant.objects.filter(
            tenant_id=tenant.pk, reference=terms["reference"]
        ).first()
        if known is not None:
            return _same(known, terms)
        expires_at = terms.get("expires_at")
        if expires_at is not None and expires_at <= now:
            raise InvalidRequest("Give an expiry in the future.", param="expires_at")
        if terms.get("for_models") and _is_prepaid(tenant):
            raise InvalidRequest(
                "Credit of a prepaid tenant admits every model: name none, or let the"
                " tenant pay afterwards.",
                param="models",
            )
        follow_payment_mode(tenant=tenant, posted_picos=posted, now=now)
        settle(tenant.pk, posted, now)
        terms["for_models"] = sorted(set(terms.get("for_models", [])))
        row = CreditGrant(tenant_id=tenant.pk, currency=tenant.currency, **terms)
        create(row, action="grant")
        # The age that it burns by is the database's.
        row.refresh_from_db()
        source = f"grant {row.pk}"
        _book(row, Transaction.Kind.CREDIT, row.amount_picos, source, now, taken_from)
    return row


def reverse_credit(
    *,
    grant: CreditGrant,
    amount_picos: int,
    reversal: str,
    now: dt.datetime,
    given_to: Account.Kind | None = None,
) -> CreditGrant:
    """Take back a part of a grant, or all of it.

    What was paid for it leaves as cash, unless `given_to` names the account that it is
    given back on.
    A refund gives back what is left; a charge back or a mistake takes also what is
    burned, which then falls on the tenant's other credit. A charge back takes what
    expired before what is burned: that is earned no more. Raises `Conflict` when all
    that is less than `amount_picos`.
    """
    if amount_picos <= 0:
        raise InvalidRequest("Give an amount above zero.", param="amount")
    if reversal not in CreditGrant.Reversal.values or not reversal:
        raise InvalidRequest("Say why it is reversed.", param="reversal")
    with atomic():
        posted = hold_credit(tenant_id=grant.tenant_id)
        settle(grant.tenant_id, posted, now)
        row = CreditGrant.objects.select_for_update(no_key=True).get(pk=grant.pk)
        kept = row.amount_picos - row.expired_picos - row.reversed_picos
        left = kept - row.burned_picos
        most = kept
        if reversal == CreditGrant.Reversal.REFUND:
            most = 0 if row.expired_at else left
        elif reversal == CreditGrant.Reversal.CHARGE_BACK:
            most = kept + row.expired_picos
        if amount_picos > most:
            raise Conflict(
                f"Of this grant {format_picos(most)} {row.currency} can be taken back"
                f" as a {CreditGrant.Reversal(reversal).label.lower()}: give no more.",
                param="amount",
            )
        expired = 0
        if reversal == CreditGrant.Reversal.CHARGE_BACK:
            expired = min(max(amount_picos - left, 0), row.expired_picos)
        reversed_picos = row.reversed_picos + amount_picos
        changes = {
            "reversed_picos": reversed_picos,
            "reversal": reversal,
            "burned_picos": min(row.burned_picos, kept + expired - amount_picos),
            "expired_picos": row.expired_picos - expired,
        }
        change(row, changes, action="reverse")
        source = f"grant {row.pk} to {reversed_picos}"
        if expired:
            # It is owed again before it is taken back.
            gone_to = _EXPIRED_TO.get(_Source(row.source), Account.Kind.DISCOUNTS)
            _book(row, Transaction.Kind.EXPIRY, expired, source, now, gone_to)
        _book(row, Transaction.Kind.REVERSAL, -amount_picos, source, now, given_to)
    return row


def end_credit(*, grant: CreditGrant, now: dt.datetime) -> CreditGrant:
    """Let what is left of a grant expire now. Idempotent: the first instant stays."""
    with atomic():
        posted = hold_credit(tenant_id=grant.tenant_id)
        settle(grant.tenant_id, posted, now)
        before = CreditGrant.objects.select_for_update(no_key=True).get(pk=grant.pk)
        if before.expired_at is not None:
            return before
        with cursor() as session:
            session.execute(_EXPIRE, [grant.pk, now])
        row = CreditGrant.objects.get(pk=grant.pk)
        names = ("expired_at", "expired_picos")
        tell(
            row,
            action="end",
            before={name: getattr(before, name) for name in names},
            after={name: getattr(row, name) for name in names},
        )
    return row


def settle_credit(*, now: dt.datetime) -> int:
    """End the grants that have run out, one transaction a tenant; return of how many.

    Those of tenants that call are ended by the first lease that is granted after.
    """
    with cursor() as session:
        session.execute(_DUE, [now])
        due = [tenant_id for (tenant_id,) in session.fetchall()]
    for tenant_id in due:
        with atomic():
            settle(tenant_id, hold_credit(tenant_id=tenant_id), now)
    return len(due)


def follow_payment_mode(
    *, tenant: Tenant, posted_picos: int, now: dt.datetime
) -> CreditAccount:
    """Let use burn credit from now on if a tenant is prepaid, and not if it is not."""
    account, _ = CreditAccount.objects.select_for_update().get_or_create(
        tenant_id=tenant.pk, defaults={"paused_at_picos": 0}
    )
    is_prepaid = _is_prepaid(tenant)
    if is_prepaid and account.paused_at_picos is not None:
        _require_no_scope(tenant)
        account.base_picos += posted_picos - account.paused_at_picos
        account.paused_at_picos = None
        account.save()
    elif not is_prepaid and account.paused_at_picos is None:
        settle(tenant.pk, posted_picos, now)
        account.paused_at_picos = posted_picos
        account.save()
    return account


def _is_prepaid(tenant: Tenant) -> bool:
    return tenant.payment_mode == Tenant.PaymentMode.PREPAID


def _require_no_scope(tenant: Tenant) -> None:
    scoped = CreditGrant.objects.filter(tenant_id=tenant.pk, expired_at=None)
    first = scoped.exclude(for_models=[]).order_by("pk").first()
    if first is not None:
        raise Conflict(
            f"Credit grant {first.pk} is for some models only, and credit of a prepaid"
            " tenant admits every model: end it first.",
            param="payment_mode",
        )


def settle(tenant_id: int, posted_picos: int, now: dt.datetime) -> None:
    """Note what use has taken of each grant; of a prepaid tenant's end what ran out.

    `posted_picos` is its count of use, which the caller holds still.
    """
    with cursor() as session:
        session.execute(_SETTLE, [tenant_id, now, posted_picos])


def expire_by(tenant_id: int, at: dt.datetime) -> None:
    """End the grants of a tenant that have run out by an instant, as of then.

    What use has taken of them must be settled.
    """
    due = CreditGrant.objects.filter(
        tenant_id=tenant_id, expired_at=None, expires_at__lte=at
    )
    with cursor() as session:
        for pk in due.order_by("pk").values_list("pk", flat=True):
            session.execute(_EXPIRE, [pk, at])


def owed_on(grant: CreditGrant) -> Account.Kind:
    """Return the account on which what is left of a grant is owed to its tenant."""
    owed, _ = _BOOKED[_Source(grant.source)]
    return owed


def _same(known: CreditGrant, terms: GrantTerms) -> CreditGrant:
    """Return a grant that was made with the same terms."""
    asked = {"priority": PRIORITY, "expires_at": None, "for_models": [], **terms}
    asked["for_models"] = sorted(set(terms.get("for_models", [])))
    if any(getattr(known, name) != value for name, value in asked.items()):
        raise Conflict(
            "Another credit was granted under this reference: choose another one.",
            param="reference",
        )
    return known


def _book(
    row: CreditGrant,
    kind: Transaction.Kind,
    picos: int,
    source: str,
    now: dt.datetime,
    against: Account.Kind | None = None,
) -> None:
    """Post what the tenant is owed more, or less, by a grant."""
    owed, usual = _BOOKED[_Source(row.source)]
    posting = Posting(
        tenant_id=row.tenant_id,
        kind=kind,
        source=source,
        currency=row.currency,
        occurred_at=now,
        amounts=(Amount(against or usual, picos), Amount(owed, -picos)),
    )
    post(postings=[posting])
