"""Replay a tenant's last period under a plan version before it is published.

By the same functions that make an invoice, up to tax and credit, from the use of the
day rollups: what is previewed is what would be charged. Writes nothing. Failure: use
that makes no bill is named with the tenant, and the others are previewed.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef, Q, QuerySet

from kit.contracts import LinearPrice, TokenClass
from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.billing.composing.bill import Bill, BilledPeriod
from metering.billing.composing.compose import Charges, charges_of
from metering.billing.gathering import requests_of
from metering.billing.lines import LineError, Posted
from metering.billing.periods import Span, last_ended
from metering.pricing.rating import CHARGED_CLASSES
from metering.subscriptions.cutting import cut
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.selectors import plan_terms, terms_of
from metering.subscriptions.terms import Held, PlanTerms, Terms
from tenants.models import Tenant

_USED = """
    SELECT rollup.date, rollup.token_class, sum(rollup.quantity),
        sum(rollup.charge_picos), price.id, price.model, book.currency,
        price.input_picos, price.cached_input_picos, price.output_picos
    FROM usage_dayrollup rollup
    JOIN pricing_price price ON price.id = rollup.price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    WHERE rollup.tenant_id = %s AND rollup.date >= %s AND rollup.date < %s
        AND rollup.token_class = ANY(%s)
    GROUP BY rollup.date, rollup.token_class, price.id, book.currency
"""


@dataclass(frozen=True, slots=True)
class PlanEffect:
    """What a tenant's last period came to, and what it would under a version.

    Both before credit and tax, in minor units; None where `problem` says why not.
    """

    tenant: Tenant
    period: Span
    charged: Charges | None
    preview: Charges | None
    problem: str = ""


def holders(*, version: PlanVersion, tenant: Tenant | None = None) -> QuerySet[Tenant]:
    """Return who would be asked to hold a version: who holds its plan, or is on it.

    One tenant may be named that is not; whoever pays before use, or in another
    currency, is not there.
    """
    rows = Tenant.objects.filter(
        currency=version.currency, payment_mode=Tenant.PaymentMode.POSTPAID
    )
    if tenant is not None:
        return rows.filter(pk=tenant.pk)
    held = Subscription.objects.filter(
        tenant=OuterRef("pk"), version__plan=version.plan_id, ends_on=None
    )
    return rows.filter(Q(plan=version.plan_id) | Exists(held))


def plan_effects(
    *, version: PlanVersion, tenants: Sequence[Tenant], now: dt.datetime
) -> list[PlanEffect]:
    """Return what the version would come to for who has a period that ended."""
    whole = plan_terms(version)
    effects = []
    for tenant in tenants:
        try:
            span = last_ended(tenant=tenant, now=now)
        except NotFound:
            continue
        effects.append(_effect(tenant, span, whole))
    return effects


def _effect(tenant: Tenant, span: Span, whole: PlanTerms) -> PlanEffect:
    used = _used(tenant.pk, span)
    # As though it had been held all the time: a fee in advance is one for this period.
    held = Held(
        plan=replace(whole, fee_in_advance=False),
        starts_on=span.first_date,
        ends_on=None,
        agreed_at=span.starts_at,
        end_agreed_at=None,
    )
    try:
        return PlanEffect(
            tenant,
            span,
            _charges(tenant, span, used, terms_of(tenant_id=tenant.pk, span=span)),
            _charges(tenant, span, used, cut([held], period=span, following=None)),
        )
    except LineError as error:
        return PlanEffect(tenant, span, None, None, f"{error}")


def _charges(
    tenant: Tenant, span: Span, used: tuple[Posted, ...], terms: Terms
) -> Charges:
    period = BilledPeriod(
        first_date=span.first_date, end_date=span.end_date, terms=terms, is_due=True
    )
    return charges_of(
        Bill(
            currency=tenant.currency,
            first_date=span.first_date,
            postings=used,
            periods=(period,),
            requests=requests_of(tenant.pk, [period]),
        )
    )


def _used(tenant_id: int, span: Span) -> tuple[Posted, ...]:
    """Return what was used of each day, in the form in which it is posted."""
    classes = [int(each) for each in CHARGED_CLASSES]
    with cursor() as session:
        session.execute(_USED, [tenant_id, span.first_date, span.end_date, classes])
        return tuple(
            Posted(
                date=date,
                price=LinearPrice(*price),
                token_class=TokenClass(token_class),
                revision=1,
                quantity=int(quantity),
                charge_picos=int(charge),
                period_start=span.first_date,
                period_end=span.end_date,
            )
            for date, token_class, quantity, charge, *price in session.fetchall()
        )
