"""Plan versions: drafted, judged where they are written, published for good."""

import dataclasses
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from kit.contracts import TokenClass
from kit.errors import Conflict, InvalidRequest
from kit.orm.roles import OPERATOR
from metering.pricing.components.kinds import Graduated
from metering.subscriptions import services
from metering.subscriptions.models import PlanComponent, PlanVersion
from metering.subscriptions.selectors import plan_terms, plan_version
from metering.subscriptions.services import ComponentWanted, DiscountWanted
from metering.subscriptions.terms import DiscountScope, Meter
from tenants.models import AuditEntry
from tests.factories.subscriptions import (
    PUBLISHED,
    make_draft_version,
    make_plan_version,
)

TIERS = {
    "model": "graduated",
    "tiers": [
        {"up_to": "1000000", "unit_price": "0"},
        {"up_to": None, "unit_price": "0.000002"},
    ],
}
TOKENS = ComponentWanted(
    name="Tokens",
    meter="tokens",
    models=["b-model", "a-model"],
    token_classes=[TokenClass.OUTPUT, TokenClass.INPUT],
    document=TIERS,
)
REQUESTS = ComponentWanted(
    name="Requests",
    meter="requests",
    document={"model": "per_unit", "unit_price": "0.001"},
)
SUPPORT = ComponentWanted(
    name="Support",
    meter="charge",
    document={"model": "percentage", "rate_percent": "2.9", "maximum": "500"},
)
TENTH = DiscountWanted(name="A tenth", scope="all", percent=Decimal(10))
FIVE = DiscountWanted(
    name="Five off", scope="usage", models=["a-model"], amount_minor=500
)


def test_a_version_says_what_its_terms_are(operator_db: None) -> None:
    version = make_plan_version(
        name="Team 2026",
        fee_minor=4900,
        minimum_commitment_minor=10_000,
        components=[TOKENS, REQUESTS, SUPPORT],
        discounts=[TENTH, FIVE],
    )
    terms = plan_terms(plan_version(version.pk))
    assert (terms.name, terms.number, terms.currency) == ("Team 2026", 1, "USD")
    assert terms.fee == 49
    assert terms.commitment == 100
    tokens, requests, support = terms.components
    assert (tokens.meter, requests.meter, support.meter) == tuple(Meter)
    assert tokens.models == {"a-model", "b-model"}
    assert tokens.token_classes == {TokenClass.INPUT, TokenClass.OUTPUT}
    assert isinstance(tokens.component.model, Graduated)
    assert tokens.component.model.tiers[1].unit_price == Fraction(2, 10**6)
    tenth, five = terms.discounts
    assert (tenth.scope, tenth.amount) == (DiscountScope.ALL, None)
    assert tenth.percent == 10
    assert (five.scope, five.percent) == (DiscountScope.USAGE, None)
    assert five.amount == 5
    assert five.models == {"a-model"}


@pytest.mark.parametrize(
    ("currency", "units"), [("JPY", 4900), ("BHD", Fraction(49, 10))]
)
def test_amounts_are_in_the_currencys_minor_unit(
    operator_db: None, currency: str, units: Any
) -> None:
    version = make_plan_version(currency=currency, fee_minor=4900)
    assert plan_terms(version).fee == units


def test_versions_of_a_plan_are_numbered(operator_db: None) -> None:
    first = make_plan_version()
    second = services.draft_plan_version(plan=first.plan, currency="EUR")
    assert (first.number, second.number) == (1, 2)
    assert second.name == first.plan.name


def test_what_is_published_never_changes(operator_db: None) -> None:
    version = make_plan_version(components=[TOKENS], discounts=[TENTH])
    with pytest.raises(Conflict, match="draft another version"):
        services.change_plan_version(version=version, fee_minor=1)
    with pytest.raises(Conflict, match="draft another version"):
        services.set_components(version=version, components=[])
    with pytest.raises(Conflict, match="draft another version"):
        services.set_discounts(version=version, discounts=[])
    again = services.publish_plan_version(version=version, now=PUBLISHED)
    assert again.published_at == version.published_at


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE subscriptions_planversion SET fee_minor = 1 WHERE id = %s",
        "DELETE FROM subscriptions_planversion WHERE id = %s",
        "UPDATE subscriptions_plancomponent SET position = 9 WHERE version_id = %s",
        "DELETE FROM subscriptions_plandiscount WHERE version_id = %s",
        "INSERT INTO subscriptions_plandiscount (version_id, position, name, scope,"
        " served_models, percent) VALUES (%s, 9, 'More', 'all', '{}', 5)",
    ],
)
def test_the_database_holds_what_is_published(
    operator_db: None, statement: str
) -> None:
    version = make_plan_version(components=[TOKENS], discounts=[TENTH])
    with (
        pytest.raises(IntegrityError, match="immutable"),
        transaction.atomic(using=OPERATOR),
        connections[OPERATOR].cursor() as session,
    ):
        session.execute(statement, [version.pk])


def other(wanted: Any, **changes: Any) -> Any:
    return dataclasses.replace(wanted, **changes)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (other(TOKENS, name=" "), "components[0].name"),
        (other(TOKENS, meter="seats"), "components[0].meter"),
        (other(TOKENS, token_classes=[]), "components[0].token_classes"),
        (
            other(TOKENS, token_classes=[TokenClass.REASONING]),
            "components[0].token_classes",
        ),
        (
            other(REQUESTS, token_classes=[TokenClass.INPUT]),
            "components[0].token_classes",
        ),
        (other(TOKENS, models=["", "a"]), "components[0].models"),
        (other(TOKENS, models=[str(n) for n in range(101)]), "components[0].models"),
        (other(TOKENS, document={"model": "free"}), "components[0].component.model"),
        (other(TOKENS, document=SUPPORT.document), "components[0].meter"),
        (
            other(TOKENS, document={**TIERS, "tiers": TIERS["tiers"][:1]}),
            "components[0].component.tiers[0].up_to",
        ),
        (
            # Finer than a pico: no ledger could hold it.
            other(REQUESTS, document={"model": "per_unit", "unit_price": "1e-13"}),
            "components[0].component.unit_price",
        ),
        (
            # A period of it could never be closed.
            other(SUPPORT, document={**SUPPORT.document, "rate_percent": "1e9"}),
            "components[0].component.rate_percent",
        ),
    ],
)
def test_a_component_that_is_not_right_names_its_field(
    operator_db: None, wanted: ComponentWanted, param: str
) -> None:
    draft = make_draft_version(components=[REQUESTS])
    with pytest.raises(InvalidRequest) as refused:
        services.set_components(version=draft, components=[wanted])
    assert refused.value.param == param
    assert [each.name for each in draft.components.all()] == ["Requests"]


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (other(TENTH, scope="tax"), "discounts[0].scope"),
        (other(TENTH, percent=None), "discounts[0].percent"),
        (other(TENTH, amount_minor=5), "discounts[0].percent"),
        (other(TENTH, percent=Decimal(0)), "discounts[0].percent"),
        (other(TENTH, percent=Decimal("100.0001")), "discounts[0].percent"),
        (other(FIVE, amount_minor=0), "discounts[0].amount"),
        (other(TENTH, models=["a-model"]), "discounts[0].models"),
    ],
)
def test_a_discount_that_is_not_right_names_its_field(
    operator_db: None, wanted: DiscountWanted, param: str
) -> None:
    draft = make_draft_version(discounts=[FIVE])
    with pytest.raises(InvalidRequest) as refused:
        services.set_discounts(version=draft, discounts=[wanted])
    assert refused.value.param == param
    assert [each.name for each in draft.discounts.all()] == ["Five off"]


@pytest.mark.parametrize(
    "second",
    [
        other(
            TOKENS, name="More", models=["a-model"], token_classes=[TokenClass.INPUT]
        ),
        other(TOKENS, name="More", models=[], token_classes=[TokenClass.OUTPUT]),
        other(TOKENS, models=["c-model"]),
    ],
)
def test_use_is_never_counted_by_two_components(
    operator_db: None, second: ComponentWanted
) -> None:
    """Two live charges on one meter bill everything twice."""
    draft = make_draft_version()
    with pytest.raises(InvalidRequest, match=r"charged twice|are called"):
        services.set_components(version=draft, components=[TOKENS, second])
    assert draft.components.count() == 0


def test_the_database_refuses_to_publish_two_of_the_same_use(operator_db: None) -> None:
    draft = make_draft_version(components=[TOKENS])
    PlanComponent.objects.create(
        version=draft,
        position=2,
        name="Everything",
        meter="tokens",
        token_classes=[TokenClass.INPUT.value],
        document=TIERS,
    )
    with (
        pytest.raises(IntegrityError, match="count the same use"),
        transaction.atomic(using=OPERATOR),
    ):
        PlanVersion.objects.filter(pk=draft.pk).update(published_at=PUBLISHED)


def test_other_classes_models_or_meters_are_other_use(operator_db: None) -> None:
    version = make_plan_version(
        components=[
            TOKENS,
            other(TOKENS, name="Cached", token_classes=[TokenClass.CACHED_INPUT]),
            other(TOKENS, name="Other", models=["c-model"]),
            REQUESTS,
            SUPPORT,
        ]
    )
    assert version.components.count() == 5


def test_an_amount_off_a_fee_in_advance_is_refused(operator_db: None) -> None:
    """Nobody could say how much of it goes back with days that were not used."""
    fixed = DiscountWanted(name="Off", scope="fees", amount_minor=100)
    draft = make_draft_version(fee_minor=900, fee_in_advance=True, discounts=[fixed])
    with pytest.raises(Conflict, match="make it a percentage"):
        services.publish_plan_version(version=draft, now=PUBLISHED)
    services.change_plan_version(version=draft, fee_in_advance=False)
    services.publish_plan_version(version=draft, now=PUBLISHED)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"fee_minor": -1}, "fee"),
        ({"minimum_commitment_minor": 10**17}, "minimum_commitment"),
        ({"name": ""}, "name"),
    ],
)
def test_terms_out_of_form_name_their_field(
    operator_db: None, terms: Any, param: str
) -> None:
    draft = make_draft_version(fee_minor=7)
    with pytest.raises(InvalidRequest) as refused:
        services.change_plan_version(version=draft, **terms)
    assert refused.value.param == param
    draft.refresh_from_db()
    assert draft.fee_minor == 7


def test_each_write_is_told_to_the_audit(operator_db: None) -> None:
    version = make_plan_version(components=[TOKENS], discounts=[TENTH])
    told = AuditEntry.objects.filter(
        object_kind="plan_version", object_id=str(version.pk)
    )
    actions = set(told.values_list("action", flat=True))
    assert actions == {"draft", "set_components", "set_discounts", "publish"}
