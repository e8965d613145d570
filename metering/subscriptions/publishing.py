"""Writes of plan versions: draft one, say what it charges, publish it for good.

What was published never changes: a plan that shall cost something else gets a new
version, which holds for those who subscribe to it. Failure: a refused change raises
`Conflict` or `InvalidRequest` that names the field, and writes nothing.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import TypedDict, Unpack

from django.db.models import Max

from kit.contracts import TokenClass
from kit.errors import Conflict, InvalidRequest
from kit.json_values import JsonObject
from kit.money import (
    AmountFormatError,
    exponent,
    picos_from_decimal,
    picos_from_minor,
)
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from kit.orm.saving import change, create
from metering.pricing.components.kinds import Percentage
from metering.pricing.components.reading import component_from
from metering.pricing.components.wholeness import (
    require_in_reach,
    require_whole_picos,
)
from metering.pricing.rating import CHARGED_CLASSES
from metering.subscriptions.models import (
    MODEL_CHARS_MAX,
    PlanComponent,
    PlanDiscount,
    PlanVersion,
)
from tenants.models import Plan

# A close reads all of them for each tenant.
PARTS_MAX = 100
MODELS_MAX = 100
NAME_CHARS_MAX = 100
# Fifteen digits of units, as with any other amount that is stated.
UNITS_MAX = 10**15
_Meter = PlanComponent.Meter


class VersionTerms(TypedDict, total=False):
    """What may be said of a draft; amounts are minor units of a whole period."""

    name: str
    fee_minor: int
    fee_in_advance: bool
    minimum_commitment_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentWanted:
    """A component of a draft; its `document` is what `pricing.components` reads."""

    name: str
    meter: str
    document: JsonObject
    models: Sequence[str] = ()
    token_classes: Sequence[TokenClass] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountWanted:
    """A discount of a draft: a percentage, or minor units of a whole period."""

    name: str
    scope: str
    models: Sequence[str] = ()
    percent: Decimal | None = None
    amount_minor: int | None = None


def minor_from_text(text: str, currency: str, field: str) -> int:
    """Read an amount of a currency, such as `49.00`, as its minor units.

    Raises `InvalidRequest` for what is no plain decimal, or finer than they are.
    """
    try:
        picos = picos_from_decimal(text)
    except AmountFormatError as error:
        raise InvalidRequest(f"{error}.", param=field) from None
    minor, rest = divmod(picos, picos_from_minor(1, currency))
    if rest:
        places = exponent(currency)
        raise InvalidRequest(
            f"An amount in {currency} has at most {places} decimal places.",
            param=field,
        )
    return minor


def draft_plan_version(
    *, plan: Plan, currency: str, **terms: Unpack[VersionTerms]
) -> PlanVersion:
    """Draft the next version of a plan; without a name it is called like the plan.

    Raises `InvalidRequest` for a value out of form.
    """
    if not re.fullmatch("[A-Z]{3}", currency):
        raise InvalidRequest("Use an ISO 4217 code such as USD.", param="currency")
    _require_amounts(currency, terms)
    with atomic():
        # One at a time numbers the versions of a plan.
        locked = Plan.objects.select_for_update(no_key=True).get(pk=plan.pk)
        newest = locked.versions.aggregate(number=Max("number"))["number"] or 0
        terms.setdefault("name", locked.name[:NAME_CHARS_MAX])
        version = PlanVersion(
            plan=locked, number=newest + 1, currency=currency, **terms
        )
        create(version, action="draft")
        return version


def change_plan_version(
    *, version: PlanVersion, **terms: Unpack[VersionTerms]
) -> PlanVersion:
    """Change what a draft says; raises `Conflict` once it is published."""
    with atomic():
        draft = _locked_draft(version)
        _require_amounts(draft.currency, terms)
        change(draft, terms)
        return draft


def set_components(
    *, version: PlanVersion, components: Sequence[ComponentWanted]
) -> PlanVersion:
    """Set all components of a draft, in this order; one not listed is taken out.

    Raises `InvalidRequest` for the first thing that is not right in one, and `Conflict`
    once the version is published.
    """
    _require_few(components, "components")
    with atomic():
        draft = _locked_draft(version)
        rows = [
            _component(draft, number, wanted)
            for number, wanted in enumerate(components, 1)
        ]
        _require_distinct(rows)
        draft.components.all().delete()
        PlanComponent.objects.bulk_create(rows)
        tell(draft, action="set_components", after={"components": _told(rows)})
        return draft


def set_discounts(
    *, version: PlanVersion, discounts: Sequence[DiscountWanted]
) -> PlanVersion:
    """Set all discounts of a draft, in the order in which they are taken.

    Raises `InvalidRequest` and `Conflict` as `set_components` does.
    """
    _require_few(discounts, "discounts")
    with atomic():
        draft = _locked_draft(version)
        rows = [
            _discount(draft, number, wanted)
            for number, wanted in enumerate(discounts, 1)
        ]
        draft.discounts.all().delete()
        PlanDiscount.objects.bulk_create(rows)
        tell(draft, action="set_discounts", after={"discounts": _told(rows)})
        return draft


def publish_plan_version(*, version: PlanVersion, now: dt.datetime) -> PlanVersion:
    """Publish a draft, for good. It moves nobody: tenants subscribe to it.

    Publishing twice changes nothing. Raises `Conflict` for what cannot be charged.
    """
    with atomic():
        fresh = PlanVersion.objects.select_for_update().get(pk=version.pk)
        if fresh.published_at is not None:
            return fresh
        _require_fees_discounted_by_percent(fresh)
        change(fresh, {"published_at": now}, action="publish")
        return fresh


def _component(
    version: PlanVersion, number: int, wanted: ComponentWanted
) -> PlanComponent:
    path = f"components[{number - 1}]"
    _require_name(wanted.name, path)
    if wanted.meter not in _Meter.values:
        raise InvalidRequest(
            f"Choose one of: {', '.join(_Meter.values)}.", param=f"{path}.meter"
        )
    _require_classes(wanted, path)
    try:
        component = component_from(wanted.document)
        require_in_reach(component)
        if wanted.meter != _Meter.CHARGE:
            require_whole_picos(component)
    except InvalidRequest as error:
        inner = f".{error.param}" if error.param else ""
        raise InvalidRequest(error.message, param=f"{path}.component{inner}") from None
    if isinstance(component.model, Percentage) and wanted.meter != _Meter.CHARGE:
        raise InvalidRequest(
            "A percentage is of an amount of money: let it count the charge.",
            param=f"{path}.meter",
        )
    return PlanComponent(
        version=version,
        position=number,
        name=wanted.name,
        meter=wanted.meter,
        served_models=_models(wanted.models, path),
        token_classes=sorted({int(each) for each in wanted.token_classes}),
        document=wanted.document,
    )


def _discount(
    version: PlanVersion, number: int, wanted: DiscountWanted
) -> PlanDiscount:
    path = f"discounts[{number - 1}]"
    _require_name(wanted.name, path)
    if wanted.scope not in PlanDiscount.Scope.values:
        raise InvalidRequest(
            f"Choose one of: {', '.join(PlanDiscount.Scope.values)}.",
            param=f"{path}.scope",
        )
    if (wanted.percent is None) is (wanted.amount_minor is None):
        raise InvalidRequest(
            "Give a percentage or an amount, one of the two.", param=f"{path}.percent"
        )
    if wanted.percent is not None and not 0 < wanted.percent <= 100:
        raise InvalidRequest(
            "A percentage is more than 0 and at most 100.", param=f"{path}.percent"
        )
    if wanted.amount_minor is not None:
        _require_amount(
            version.currency, wanted.amount_minor, f"{path}.amount", least=1
        )
    if wanted.models and wanted.scope != PlanDiscount.Scope.USAGE:
        raise InvalidRequest(
            "Only a discount on usage can be for some models.", param=f"{path}.models"
        )
    return PlanDiscount(
        version=version,
        position=number,
        name=wanted.name,
        scope=wanted.scope,
        served_models=_models(wanted.models, path),
        percent=wanted.percent,
        amount_minor=wanted.amount_minor,
    )


def _require_classes(wanted: ComponentWanted, path: str) -> None:
    counts_tokens = wanted.meter == _Meter.TOKENS
    if counts_tokens is bool(wanted.token_classes) and set(wanted.token_classes) <= set(
        CHARGED_CLASSES
    ):
        return
    classes = ", ".join(each.name.lower() for each in CHARGED_CLASSES)
    raise InvalidRequest(
        f"Say which tokens it counts: {classes}."
        if counts_tokens
        else "Only a component that counts tokens has token classes.",
        param=f"{path}.token_classes",
    )


def _require_distinct(rows: Sequence[PlanComponent]) -> None:
    """Refuse two components that count the same use: it would be charged twice."""
    for one, other in combinations(rows, 2):
        if one.name == other.name:
            raise InvalidRequest(
                f"Two components are called '{one.name}'.",
                param=f"components[{other.position - 1}].name",
            )
        if one.meter != other.meter:
            continue
        classes = set(one.token_classes) & set(other.token_classes)
        if one.meter == _Meter.TOKENS and not classes:
            continue
        mine, theirs = set(one.served_models), set(other.served_models)
        if not mine or not theirs or mine & theirs:
            raise InvalidRequest(
                f"'{one.name}' and '{other.name}' count the same use: it would be "
                "charged twice. Give them other models or token classes.",
                param=f"components[{other.position - 1}].models",
            )


def _require_fees_discounted_by_percent(version: PlanVersion) -> None:
    """Refuse an amount off a fee of which a part may have to be given back."""
    if not version.fee_in_advance:
        return
    fixed = version.discounts.filter(amount_minor__isnull=False)
    wrong = fixed.exclude(scope=PlanDiscount.Scope.USAGE).first()
    if wrong is not None:
        raise Conflict(
            f"'{wrong.name}' takes an amount off a fee that is paid in advance: make it"
            " a percentage, or let it take from usage.",
            param="discounts",
        )


def _require_name(name: str, path: str) -> None:
    if not 1 <= len(name.strip()) <= len(name) <= NAME_CHARS_MAX:
        raise InvalidRequest(
            f"Give a name of 1 to {NAME_CHARS_MAX} characters.", param=f"{path}.name"
        )


def _models(models: Sequence[str], path: str) -> list[str]:
    if len(models) > MODELS_MAX:
        raise InvalidRequest(
            f"Name at most {MODELS_MAX} models, or none for all.",
            param=f"{path}.models",
        )
    if not all(1 <= len(each) <= MODEL_CHARS_MAX for each in models):
        raise InvalidRequest("Name the served models.", param=f"{path}.models")
    return sorted(set(models))


def _require_few(parts: Sequence[object], field: str) -> None:
    if len(parts) > PARTS_MAX:
        raise InvalidRequest(f"Give at most {PARTS_MAX}.", param=field)


def _require_amounts(currency: str, terms: VersionTerms) -> None:
    for field in ("fee_minor", "minimum_commitment_minor"):
        amount = terms.get(field)
        if isinstance(amount, int):
            _require_amount(currency, amount, field.removesuffix("_minor"))


def _require_amount(currency: str, minor: int, field: str, *, least: int = 0) -> None:
    if not least <= minor < UNITS_MAX * 10 ** exponent(currency):
        raise InvalidRequest(
            "Give an amount of zero or more, of at most 15 digits before the point."
            if least == 0
            else "Give an amount of more than zero, of at most 15 digits.",
            param=field,
        )


def _told(rows: Sequence[PlanComponent] | Sequence[PlanDiscount]) -> list[object]:
    """Return the parts of a draft as the audit tells them."""
    return [
        {
            field.attname: getattr(row, field.attname)
            for field in row._meta.concrete_fields
            if field.attname not in {"id", "version_id"}
        }
        for row in rows
    ]


def _locked_draft(version: PlanVersion) -> PlanVersion:
    draft = PlanVersion.objects.select_for_update().get(pk=version.pk)
    if draft.published_at is not None:
        raise Conflict(
            f"{draft} is published and cannot change any more: draft another version."
        )
    return draft
