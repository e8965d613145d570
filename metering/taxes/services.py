"""Writes of taxes: say what a place charges, and how a tenant is treated.

Nothing is changed in place. A new rate of a place begins where the one before ends; a
tenant's new treatment ends the one before. What was invoiced keeps its tax: an invoice
holds the rates that it was made with.

Failure: all or nothing; two rows that would hold at once are refused, by the database
too. Owns: rates and treatments.
"""

import datetime as dt
from decimal import Decimal
from typing import Required, TypedDict, Unpack

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.taxes.models import TaxRate, TaxTreatment
from metering.taxes.selectors import rates_for, rates_of, treatment_in_force
from tenants.models import Tenant

__all__ = ["create_rate", "end_rate", "rates_for", "treat_tenant"]
Kind = TaxTreatment.Kind


class RateTerms(TypedDict, total=False):
    """What a rate says; without `ends_at` it holds until it is ended."""

    name: Required[str]
    country: Required[str]
    percent: Required[Decimal]
    starts_at: Required[dt.datetime]
    region: str
    ends_at: dt.datetime | None


class TreatmentTerms(TypedDict, total=False):
    """What a treatment says; taxed takes a country, the others a note."""

    kind: Required[str]
    country: str
    region: str
    note: str


def create_rate(**terms: Unpack[RateTerms]) -> TaxRate:
    """Say what a place charges from an instant on.

    It may lie in the past: invoices that are there already keep what they say. Raises
    `Conflict` when the place has a rate of this name at the same time.
    """
    row = TaxRate(**terms)
    _require_order(row.starts_at, row.ends_at)
    with atomic():
        # Whoever else writes a rate of the same name and place waits here; the
        # database refuses what comes past this.
        same = TaxRate.objects.select_for_update().filter(
            name=row.name, country=row.country, region=row.region
        )
        clash = next((each for each in same if _overlap(each, row)), None)
        if clash is not None:
            raise Conflict(
                f"{clash} holds {_span(clash)}: end it first, or begin after it.",
                param="starts_at",
            )
        create(row)
    return row


def end_rate(*, rate: TaxRate, ends_at: dt.datetime, now: dt.datetime) -> TaxRate:
    """Let a rate end at an instant, now or later; the same instant again is fine.

    Raises `Conflict` for one that has another end.
    """
    with atomic():
        row = TaxRate.objects.select_for_update().get(pk=rate.pk)
        if row.ends_at == ends_at:
            return row
        if row.ends_at is not None:
            raise Conflict(f"{row} has an end already: {row.ends_at:%Y-%m-%d %H:%M}.")
        if ends_at < now:
            raise InvalidRequest("Let it end now or later.", param="ends_at")
        _require_order(row.starts_at, ends_at)
        change(row, {"ends_at": ends_at}, action="end")
    return row


def treat_tenant(
    *,
    tenant: Tenant,
    now: dt.datetime,
    starts_at: dt.datetime | None = None,
    **terms: Unpack[TreatmentTerms],
) -> TaxTreatment:
    """Say how a tenant is taxed from an instant on, or from now; ends what held before.

    The first one may begin in the past. What is in force already is answered as it is.
    Raises `InvalidRequest` for what is missing, and `Conflict` where one of a later
    begin is there.
    """
    begins = starts_at or now
    row = TaxTreatment(tenant=tenant, starts_at=begins, **terms)
    _require_sense(row)
    with atomic():
        # Two of one tenant take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        former = treatment_in_force(tenant=tenant, at=begins)
        if former is not None and _same(former, row):
            return former
        _require_turn(row, former, now)
        if former is not None:
            change(former, {"ends_at": begins}, action="end")
        create(row)
    return row


def _require_sense(row: TaxTreatment) -> None:
    if row.kind == Kind.TAXED:
        if not row.country:
            raise InvalidRequest("Say in which country.", param="country")
        place = {"country": row.country, "region": row.region}
        if not rates_of(**place, at=row.starts_at):
            raise InvalidRequest(
                "There is no tax rate of this place then: create it first.",
                param="country",
            )
    elif not row.note:
        raise InvalidRequest("Say why, as the invoice prints it.", param="note")


def _require_turn(
    row: TaxTreatment, former: TaxTreatment | None, now: dt.datetime
) -> None:
    rows = TaxTreatment.objects.filter(tenant_id=row.tenant_id)
    if former is None:
        later = rows.exists()
    else:
        later = former.ends_at is not None or former.starts_at >= row.starts_at
        if row.starts_at < now:
            raise InvalidRequest(
                "It is treated in another way until now: begin now or later.",
                param="starts_at",
            )
    if later:
        raise Conflict(
            "There is a treatment that begins then or later: begin after it.",
            param="starts_at",
        )


def _same(former: TaxTreatment, row: TaxTreatment) -> bool:
    names = ("kind", "country", "region", "note")
    return former.ends_at is None and all(
        getattr(former, name) == getattr(row, name) for name in names
    )


def _require_order(starts_at: dt.datetime, ends_at: dt.datetime | None) -> None:
    if starts_at.tzinfo is None or (ends_at is not None and ends_at.tzinfo is None):
        raise InvalidRequest("Give instants with their offset.", param="starts_at")
    if ends_at is not None and ends_at <= starts_at:
        raise InvalidRequest("Let it end after it begins.", param="ends_at")


def _overlap(one: TaxRate, other: TaxRate) -> bool:
    return (one.ends_at is None or other.starts_at < one.ends_at) and (
        other.ends_at is None or one.starts_at < other.ends_at
    )


def _span(row: TaxRate) -> str:
    begins = f"from {row.starts_at:%Y-%m-%d %H:%M}"
    return begins if row.ends_at is None else f"{begins} to {row.ends_at:%Y-%m-%d}"
