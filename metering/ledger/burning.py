"""Book what burned of credit, and say what of it pays for a bill.

A prepaid tenant's use burns credit by itself; it is booked once in a while, from the
wallet or from promotional credit to what is accrued. A postpaid tenant's credit burns
as its bill is made: then what is drawn burns, and counts as use that credit paid for
(`base_picos` shrinks by it), so that nothing pays for it again.

Either way a bill shows burns: each burn on one bill, and what was charged back after it
was shown is charged on the next one.

Failure: all or nothing. Locks the count of use and then the grants, as all do that
write credit. Owns: burns, draws, and what of a grant is booked.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import starmap

from django.db.models import F, Max, QuerySet, Sum

from kit.orm.atomic import atomic, cursor
from metering.budgets.recalling import hold_credit
from metering.ledger.allotting import Allotted, Available, Part, allot
from metering.ledger.credit import expire_by, owed_on, settle
from metering.ledger.models import (
    Account,
    CreditAccount,
    CreditBurn,
    CreditDraw,
    CreditGrant,
    Transaction,
)
from metering.ledger.posting import Amount, Posting, post
from tenants.models import Tenant

# Whose use has come further than the books, and who has no burn booked in the billing
# day that it is now. One that used more than all its credit is asked again each time.
_TO_BOOK = """
SELECT account.tenant_id
FROM ledger_creditaccount account
JOIN budgets_window place ON place.tenant_id = account.tenant_id
    AND place.kind = 'credit'
JOIN LATERAL (
    SELECT starts_at FROM usage_billingday
    WHERE tenant_id = account.tenant_id AND starts_at <= %s
    ORDER BY starts_at DESC LIMIT 1
) day ON true
WHERE account.paused_at_picos IS NULL
    AND EXISTS (
        SELECT FROM ledger_creditgrant it WHERE it.tenant_id = account.tenant_id
            AND (it.expired_at IS NULL OR it.burned_picos <> it.booked_picos)
            AND it.amount_picos - it.reversed_picos > it.booked_picos
    )
    AND place.posted - account.base_picos > (
        SELECT sum(booked_picos) FROM ledger_creditgrant it
        WHERE it.tenant_id = account.tenant_id
    )
    AND NOT EXISTS (
        SELECT FROM ledger_transaction burn
        WHERE burn.tenant_id = account.tenant_id AND burn.kind = 'burn'
            AND burn.occurred_at >= day.starts_at
    )
ORDER BY account.tenant_id
"""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a grant pays of a bill; a negative one charges what was charged back."""

    grant_id: int
    name: str
    picos: int
    model: str | None


def book_burns(*, tenant_id: int, now: dt.datetime) -> int:
    """Book what burned of a tenant's grants since last time; return how many moved.

    Settles them first, so that all use up to now is in.
    """
    with atomic():
        settle(tenant_id, hold_credit(tenant_id=tenant_id), now)
        return _book(tenant_id, now)


def book_due_burns(*, now: dt.datetime) -> int:
    """Book what burned of prepaid tenants' credit, once in each of their billing days.

    One transaction a tenant; killed anywhere, the next run goes on. Return of how many.
    """
    with cursor() as session:
        session.execute(_TO_BOOK, [now])
        due = [tenant_id for (tenant_id,) in session.fetchall()]
    for tenant_id in due:
        book_burns(tenant_id=tenant_id, now=now)
    return len(due)


def draw_credit(
    *,
    tenant: Tenant,
    parts: Sequence[Part],
    source: str,
    now: dt.datetime,
    ends_at: dt.datetime | None = None,
) -> list[Drawn]:
    """Take what credit pays of a bill, in the one order of burning.

    `parts` are what the bill comes to before credit and tax. Nothing is drawn of a bill
    that comes to nothing or less. A postpaid tenant's grants still pay for it when they
    ran out by `ends_at`, the end of what is billed, and expire then: call it for a bill
    without parts too. The same `source` again returns what it drew. Call it in the
    transaction that makes the bill.
    """
    with atomic():
        posted = hold_credit(tenant_id=tenant.pk)
        known = _drawn(tenant.pk, source)
        if known:
            return known
        settle(tenant.pk, posted, now)
        _book(tenant.pk, now)
        is_prepaid = tenant.payment_mode == Tenant.PaymentMode.PREPAID
        grants = list(_locked(tenant.pk))
        shown = _outstanding(grants, parts)
        rest = [*parts, *(Part(each.model, -each.picos) for each in shown)]
        fresh = [] if is_prepaid else allot([_left(row) for row in grants], rest)
        billed = sum(part.picos for part in rest) - sum(each.picos for each in fresh)
        _count_as_billed(tenant.pk, posted, billed)
        _burn(tenant.pk, grants, fresh, source, now)
        _show(tenant.pk, source, [*shown, *fresh])
        if not is_prepaid:
            expire_by(tenant.pk, now if ends_at is None else ends_at)
        return _drawn(tenant.pk, source)


def _count_as_billed(tenant_id: int, posted_picos: int, billed_picos: int) -> None:
    """Count use that no credit has paid as paid without, as far as it is billed now.

    Otherwise credit that comes later would pay for it once more.
    """
    account = CreditAccount.objects.filter(tenant_id=tenant_id).first()
    if account is None or billed_picos <= 0:
        return
    sums = CreditGrant.objects.filter(tenant_id=tenant_id).aggregate(
        burned=Sum("burned_picos")
    )
    used = posted_picos if account.paused_at_picos is None else account.paused_at_picos
    due = used - account.base_picos - int(sums["burned"] or 0)
    if due > 0:
        account.base_picos += min(due, billed_picos)
        account.save(update_fields=["base_picos"])


def _locked(tenant_id: int) -> QuerySet[CreditGrant]:
    rows = CreditGrant.objects.filter(tenant_id=tenant_id).order_by("pk")
    return rows.select_for_update(no_key=True)


def _book(tenant_id: int, now: dt.datetime) -> int:
    """Post what burned and is not booked, as one transaction; locks what it moves."""
    rows = list(_locked(tenant_id).exclude(burned_picos=F("booked_picos")))
    moves = [(row, row.burned_picos - row.booked_picos) for row in rows]
    last = CreditBurn.objects.filter(tenant_id=tenant_id).aggregate(last=Max("pk"))
    _post_burns(tenant_id, moves, f"burns after {last['last'] or 0}", now)
    return len(moves)


def _post_burns(
    tenant_id: int,
    moves: Sequence[tuple[CreditGrant, int]],
    source: str,
    now: dt.datetime,
) -> None:
    """Take what moved from where each grant is owed, and from what is accrued."""
    if not moves:
        return
    amounts: dict[Account.Kind, int] = defaultdict(int)
    for row, picos in moves:
        amounts[owed_on(row)] += picos
        amounts[Account.Kind.ACCRUED] -= picos
    posting = Posting(
        tenant_id=tenant_id,
        kind=Transaction.Kind.BURN,
        source=source,
        currency=moves[0][0].currency,
        occurred_at=now,
        amounts=tuple(starmap(Amount, amounts.items())),
    )
    (transaction_id,) = post(postings=[posting])
    CreditBurn.objects.bulk_create(
        CreditBurn(
            tenant_id=tenant_id,
            grant=row,
            transaction_id=transaction_id,
            amount_picos=picos,
        )
        for row, picos in moves
    )
    for row, picos in moves:
        row.booked_picos += picos
    CreditGrant.objects.bulk_update([row for row, _ in moves], ["booked_picos"])


def _burn(
    tenant_id: int,
    grants: Sequence[CreditGrant],
    fresh: Sequence[Allotted],
    source: str,
    now: dt.datetime,
) -> None:
    """Let what is drawn of a postpaid tenant's grants burn, as use that they paid."""
    if not fresh:
        return
    picos_of: dict[int, int] = defaultdict(int)
    for each in fresh:
        picos_of[each.grant_id] += each.picos
    moves = [(row, picos_of[row.pk]) for row in grants if row.pk in picos_of]
    for row, picos in moves:
        row.burned_picos += picos
    CreditGrant.objects.bulk_update([row for row, _ in moves], ["burned_picos"])
    CreditAccount.objects.filter(tenant_id=tenant_id).update(
        base_picos=F("base_picos") - sum(picos_of.values())
    )
    _post_burns(tenant_id, moves, source, now)


def _outstanding(
    grants: Sequence[CreditGrant], parts: Sequence[Part]
) -> list[Allotted]:
    """Return what burned and no bill shows yet, as far as this one has room for it.

    What was charged back of what a bill showed comes first, and makes room.
    """
    tenant_draws = CreditDraw.objects.filter(grant__in=grants).values("grant_id")
    sums = tenant_draws.annotate(picos=Sum("amount_picos"))
    shown = {row["grant_id"]: int(row["picos"]) for row in sums}
    rest = {row.pk: row.booked_picos - shown.get(row.pk, 0) for row in grants}
    back = [Allotted(pk, None, picos) for pk, picos in rest.items() if picos < 0]
    bill = [*parts, *(Part(None, -each.picos) for each in back)]
    if not parts or sum(part.picos for part in bill) <= 0:
        # Without a bill, what was charged back waits for one that can charge it.
        return []
    burned = [_available(row, rest[row.pk]) for row in grants]
    return [*back, *allot(burned, bill)]


def _left(row: CreditGrant) -> Available:
    """Return what is left of a grant, for the models that it pays for."""
    left = row.amount_picos - row.burned_picos - row.reversed_picos
    models = frozenset(row.for_models)
    return replace(_available(row, 0 if row.expired_at else left), models=models)


def _available(row: CreditGrant, picos: int) -> Available:
    return Available(
        grant_id=row.pk,
        picos=picos,
        priority=row.priority,
        expires_at=row.expires_at,
        created_at=row.created_at,
    )


def _show(tenant_id: int, source: str, drawn: Iterable[Allotted]) -> None:
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for each in drawn:
        sums[each.grant_id, each.model or ""] += each.picos
    CreditDraw.objects.bulk_create(
        CreditDraw(
            tenant_id=tenant_id,
            grant_id=grant_id,
            source=source,
            model=model,
            amount_picos=picos,
        )
        for (grant_id, model), picos in sums.items()
        if picos
    )


def _drawn(tenant_id: int, source: str) -> list[Drawn]:
    """Return what a bill drew, in the order of burning."""
    rows = CreditDraw.objects.filter(tenant_id=tenant_id, source=source)
    rows = rows.select_related("grant")
    ordered = sorted(rows, key=lambda row: (_available(row.grant, 0).turn, row.model))
    return [
        Drawn(
            grant_id=row.grant_id,
            name=f"{row.grant.get_source_display()}, {row.grant.reference}",
            picos=row.amount_picos,
            model=row.model or None,
        )
        for row in ordered
    ]
