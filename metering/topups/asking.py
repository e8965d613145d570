"""Ask for top-ups: by hand, or where a rule finds too little credit left.

What is left is what use has really left, up to this moment, and not what the books say.
A rule asks while its tenant is prepaid and active, has none open, has waited since the
last attempt, and has not bought its maximum in the running billing period.

Failure: a second one is refused, by the database too. Two scans at once wait for each
other per tenant, and the second finds one open. Owns: rules and top-ups.
"""

import datetime as dt
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Required, TypedDict, Unpack

from django.conf import settings

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic, cursor
from kit.orm.saving import change, create
from metering.topups.models import TopUp, TopUpRule
from tenants.models import Tenant

State = TopUp.State
Way = TopUp.Way
# The provider with which nothing is paid online.
OFFLINE = "offline"

# For one rule, or all of them.
_WANTED = """
SELECT rule.id
FROM topups_topuprule rule
JOIN tenants_tenant tenant ON tenant.id = rule.tenant_id
    AND tenant.payment_mode = 'prepaid' AND tenant.state = 'active'
JOIN LATERAL (
    SELECT period_start FROM usage_billingday
    WHERE tenant_id = rule.tenant_id AND starts_at <= %(now)s
    ORDER BY date DESC LIMIT 1
) today ON true
JOIN LATERAL (
    -- The days of a tenant that is new begin within their period.
    SELECT starts_at FROM usage_billingday
    WHERE tenant_id = rule.tenant_id AND date >= today.period_start
    ORDER BY date LIMIT 1
) period ON true
WHERE rule.enabled AND (%(rule)s::bigint IS NULL OR rule.id = %(rule)s)
    AND NOT EXISTS (
        SELECT FROM topups_topup one WHERE one.tenant_id = rule.tenant_id AND (
            one.state IN ('due', 'pending', 'invoiced')
            OR one.asked_at > %(now)s - rule.cool_off_s * interval '1 second')
    )
    AND rule.amount_minor + (
        SELECT coalesce(sum(amount_minor), 0) FROM topups_topup one
        WHERE one.tenant_id = rule.tenant_id AND one.by_rule
            AND one.asked_at >= period.starts_at
            AND one.state NOT IN ('failed', 'cancelled')
    ) <= rule.period_max_minor
    AND coalesce((
        SELECT sum(burning.unused)
        FROM credit_burning(rule.tenant_id, coalesce((
            SELECT posted FROM budgets_window
            WHERE tenant_id = rule.tenant_id AND kind = 'credit'
        ), 0)) burning
        -- Looked up for each: a join would read the grants of all tenants.
        WHERE coalesce((
            SELECT expires_at FROM ledger_creditgrant WHERE id = burning.grant_id
        ), 'infinity') > %(now)s
    ), 0) < rule.threshold_picos
ORDER BY rule.id
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    amount_minor: int
    way: Way
    by_rule: bool


class RuleTerms(TypedDict, total=False):
    """What a rule says; what is bought in minor units of the tenant's currency."""

    threshold_picos: Required[int]
    amount_minor: Required[int]
    period_max_minor: Required[int]
    cool_off_s: int
    enabled: bool


def set_rule(*, tenant: Tenant, **terms: Unpack[RuleTerms]) -> TopUpRule:
    """Say when a tenant is topped up by itself; it has one rule, which this replaces.

    Raises `InvalidRequest` for what makes no sense.
    """
    if terms["period_max_minor"] < terms["amount_minor"]:
        raise InvalidRequest(
            "Let the period's maximum be at least the amount.", param="period_max"
        )
    with atomic():
        # Two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        row = TopUpRule.objects.filter(tenant=tenant).first()
        if row is None:
            row = TopUpRule(tenant=tenant, **terms)
            create(row)
        else:
            change(row, terms)
    return row


def ask_top_up(
    *, tenant: Tenant, amount_minor: int, now: dt.datetime, way: Way | None = None
) -> TopUp:
    """Ask for a top-up by hand, paid in the usual way unless one is named.

    Raises `Conflict` while one is open, and for a way that this installation's provider
    does not have.
    """
    if amount_minor <= 0:
        raise InvalidRequest("Give an amount above zero.", param="amount")
    usual = usual_way()
    if way is not None and (way == Way.INVOICE) != (usual == Way.INVOICE):
        raise Conflict(
            "This installation's billing provider takes no payments that way: let the"
            " top-up be paid in the usual way.",
            param="way",
        )
    asked = _Asked(amount_minor, way or usual, by_rule=False)
    return _ask(tenant, asked, now)


def usual_way() -> Way:
    """Return how credit is paid for where nobody says: money first, where it can be."""
    return Way.INVOICE if settings.BILLING_PROVIDER == OFFLINE else Way.METHOD


def cancel_top_up(*, top_up: TopUp, now: dt.datetime) -> TopUp:
    """Give a top-up up that is not invoiced yet; cancelled, it stays as it is.

    Raises `Conflict` for one that was invoiced: its invoice is credited instead.
    """
    with atomic():
        row = TopUp.objects.select_for_update().get(pk=top_up.pk)
        if row.state == State.CANCELLED:
            return row
        if row.state != State.DUE:
            raise Conflict(
                f"This top-up is {row.state}: only one that is due can be cancelled."
            )
        end(row, State.CANCELLED, now)
    return row


def ask_by_rules(*, now: dt.datetime) -> int:
    """Ask for what rules want now, one transaction a tenant; return how many."""
    asked = 0
    for rule_id in _wanted(now, None):
        # Somebody who asks by hand at the same time has been there first.
        with suppress(Conflict), atomic():
            rule = TopUpRule.objects.select_for_update().get(pk=rule_id)
            # Another scan may have asked since.
            if not _wanted(now, rule_id):
                continue
            asked_for = _Asked(rule.amount_minor, usual_way(), by_rule=True)
            _ask(rule.tenant, asked_for, now)
            asked += 1
    return asked


def end(row: TopUp, state: State, now: dt.datetime, **more: Any) -> None:
    """Write how a top-up ended, in the caller's transaction."""
    change(row, {"state": state, "ended_at": now, **more}, action=str(state))


def _ask(tenant: Tenant, asked: _Asked, now: dt.datetime) -> TopUp:
    with atomic():
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        if TopUp.objects.filter(tenant=tenant, state__in=TopUp.OPEN).exists():
            raise Conflict("A top-up of this tenant is open already: wait for it.")
        row = TopUp(
            tenant=tenant,
            amount_minor=asked.amount_minor,
            currency=tenant.currency,
            by_rule=asked.by_rule,
            way=asked.way,
            asked_at=now,
        )
        create(row, action="ask")
    return row


def _wanted(now: dt.datetime, rule_id: int | None) -> list[int]:
    with cursor() as session:
        session.execute(_WANTED, {"now": now, "rule": rule_id})
        return [pk for (pk,) in session.fetchall()]
