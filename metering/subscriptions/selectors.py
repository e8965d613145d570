"""Reads of plan versions and subscriptions, and the terms that they make of a period.

Failure: an unknown one raises `NotFound`.
"""

from fractions import Fraction

from django.db.models import QuerySet

from kit.contracts import TokenClass
from kit.errors import NotFound
from kit.money import exponent
from metering.pricing.components.reading import component_from
from metering.subscriptions.cutting import cut
from metering.subscriptions.models import (
    PlanComponent,
    PlanDiscount,
    PlanVersion,
    Subscription,
)
from metering.subscriptions.terms import (
    NO_TERMS,
    ComponentTerms,
    DiscountScope,
    DiscountTerms,
    Held,
    Meter,
    PlanTerms,
    Terms,
)
from metering.usage.periods import period_of
from metering.usage.spans import Span
from tenants.models import Tenant

# What a version lists, to be read with many versions at once.
PARTS = ("components", "discounts__version")


def plan_versions(
    *, plan: str | None = None, currency: str | None = None
) -> QuerySet[PlanVersion]:
    """Return plan versions, each plan's newest first."""
    found = PlanVersion.objects.select_related("plan")
    if plan is not None:
        found = found.filter(plan__slug=plan)
    if currency is not None:
        found = found.filter(currency=currency)
    return found.order_by("plan__slug", "-number")


def plan_version(pk: int) -> PlanVersion:
    """Return one plan version; raises `NotFound`."""
    found = plan_versions().filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no plan version {pk}.")
    return found


def subscriptions(*, tenant: Tenant | None = None) -> QuerySet[Subscription]:
    """Return subscriptions, the latest first."""
    found = Subscription.objects.select_related("tenant", "version")
    if tenant is not None:
        found = found.filter(tenant=tenant)
    return found.order_by("-starts_on", "-id")


def subscription(pk: int) -> Subscription:
    """Return one subscription; raises `NotFound`."""
    found = subscriptions().filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no subscription {pk}.")
    return found


def terms_of(*, tenant_id: int, span: Span) -> Terms:
    """Return what a tenant's subscriptions make due at the close of a period.

    Once the period has ended, nothing that is agreed later changes it.
    """
    held = held_by(tenant_id=tenant_id)
    if not held:
        return NO_TERMS
    return cut(held, period=span, following=_following(tenant_id, span))


def held_by(*, tenant_id: int) -> list[Held]:
    """Return all that a tenant ever subscribed to, in the form that `cut` takes."""
    rows = (
        Subscription.objects.filter(tenant_id=tenant_id)
        .select_related("version")
        .prefetch_related("version__components", "version__discounts")
        .order_by("starts_on", "id")
    )
    # A tenant changes between few versions: each is read once.
    plans: dict[int, PlanTerms] = {}
    for row in rows:
        if row.version_id not in plans:
            plans[row.version_id] = plan_terms(row.version)
    return [
        Held(
            plan=plans[row.version_id],
            starts_on=row.starts_on,
            ends_on=row.ends_on,
            agreed_at=row.agreed_at,
            end_agreed_at=row.end_agreed_at,
        )
        for row in rows
    ]


def plan_terms(version: PlanVersion) -> PlanTerms:
    """Return a version as it holds for a whole period; a draft may be asked for too."""
    currency = version.currency
    return PlanTerms(
        version_id=version.pk,
        name=version.name,
        number=version.number,
        currency=currency,
        fee=_units(version.fee_minor, currency),
        fee_in_advance=version.fee_in_advance,
        commitment=_units(version.minimum_commitment_minor, currency),
        components=tuple(map(_component, version.components.all())),
        discounts=tuple(_discount(each, currency) for each in version.discounts.all()),
    )


def _following(tenant_id: int, span: Span) -> Span | None:
    """Return the next period; None where the calendar does not reach so far yet."""
    try:
        return period_of(tenant_id=tenant_id, date=span.end_date)
    except NotFound:
        return None


def _component(row: PlanComponent) -> ComponentTerms:
    return ComponentTerms(
        id=row.pk,
        position=row.position,
        name=row.name,
        meter=Meter(row.meter),
        models=frozenset(row.served_models),
        token_classes=frozenset(map(TokenClass, row.token_classes)),
        component=component_from(row.document),
    )


def _discount(row: PlanDiscount, currency: str) -> DiscountTerms:
    amount = row.amount_minor
    return DiscountTerms(
        id=row.pk,
        position=row.position,
        name=row.name,
        scope=DiscountScope(row.scope),
        models=frozenset(row.served_models),
        percent=None if row.percent is None else Fraction(row.percent),
        amount=None if amount is None else _units(amount, currency),
    )


def _units(minor: int, currency: str) -> Fraction:
    return Fraction(minor, 10 ** exponent(currency))
