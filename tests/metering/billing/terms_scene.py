"""Postings, plans and bills to compose, as short as tests want to write them."""

import datetime as dt
from fractions import Fraction

from kit.contracts import LinearPrice, TokenClass
from metering.billing.composing.bill import BilledPeriod
from metering.billing.lines import Posted
from metering.pricing.components.reading import component_from
from metering.pricing.rating import unit_picos
from metering.subscriptions.terms import (
    NO_TERMS,
    ComponentTerms,
    DiscountScope,
    DiscountTerms,
    Fee,
    FeeKind,
    Meter,
    PlanTerms,
    Segment,
    Terms,
)

FIRST = dt.date(2026, 10, 1)
END = dt.date(2026, 11, 1)
BEFORE = dt.date(2026, 9, 1)
ONE = Fraction(1)


def price(pk: int = 1, *, currency: str = "USD", picos: int = 3_000_000) -> LinearPrice:
    return LinearPrice(
        id=pk,
        model=f"model-{pk}",
        currency=currency,
        input_picos=picos,
        cached_input_picos=picos // 10,
        output_picos=picos * 5,
    )


def posted(
    quantity: int,
    *,
    of: LinearPrice | None = None,
    token_class: TokenClass = TokenClass.INPUT,
    date: dt.date = FIRST,
) -> Posted:
    of = of or price()
    charge = quantity * unit_picos(of, token_class)
    first = date.replace(day=1)
    end = (first + dt.timedelta(days=31)).replace(day=1)
    return Posted(date, of, token_class, 1, quantity, charge, first, end)


def component(
    document: object,
    *,
    meter: Meter = Meter.TOKENS,
    models: frozenset[str] = frozenset(),
    classes: frozenset[TokenClass] = frozenset({TokenClass.INPUT}),
) -> ComponentTerms:
    return ComponentTerms(
        id=1,
        position=1,
        name="Included tokens",
        meter=meter,
        models=models,
        token_classes=classes if meter is Meter.TOKENS else frozenset(),
        component=component_from(document),
    )


def discount(
    pk: int,
    *,
    percent: int | None = None,
    amount: int | None = None,
    scope: DiscountScope = DiscountScope.ALL,
    models: frozenset[str] = frozenset(),
) -> DiscountTerms:
    return DiscountTerms(
        id=pk,
        position=pk,
        name=f"discount {pk}",
        scope=scope,
        models=models,
        percent=None if percent is None else Fraction(percent),
        amount=None if amount is None else Fraction(amount),
    )


def segment(
    *,
    first_date: dt.date = FIRST,
    end_date: dt.date = END,
    share: Fraction = ONE,
    fee: Fraction | int = 0,
    commitment: Fraction | int = 0,
    components: tuple[ComponentTerms, ...] = (),
    discounts: tuple[DiscountTerms, ...] = (),
    currency: str = "USD",
    version_id: int = 7,
) -> Segment:
    plan = PlanTerms(
        version_id=version_id,
        name="Team",
        number=1,
        currency=currency,
        fee=Fraction(fee),
        commitment=Fraction(commitment),
        components=components,
        discounts=discounts,
    )
    due = Fee(
        kind=FeeKind.PERIOD,
        plan=plan,
        first_date=first_date,
        end_date=end_date,
        share=share,
        amount=Fraction(fee) * share,
    )
    return Segment(
        plan=plan,
        first_date=first_date,
        end_date=end_date,
        share=share,
        fee=due if fee else None,
        commitment=Fraction(commitment) * share,
        components=components,
        discounts=discounts,
    )


def period(
    *segments: Segment,
    fees: tuple[Fee, ...] = (),
    first_date: dt.date = FIRST,
    end_date: dt.date = END,
    is_due: bool = True,
) -> BilledPeriod:
    terms = Terms(segments=segments, fees=fees) if segments or fees else NO_TERMS
    return BilledPeriod(
        first_date=first_date, end_date=end_date, terms=terms, is_due=is_due
    )
