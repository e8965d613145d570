"""Reads of taxes: what a tenant pays at a moment, and what is on record.

Failure: an unknown row raises `NotFound`; a place without a rate raises `Conflict`.
"""

import datetime as dt
from typing import TypeVar

from django.db.models import Q, QuerySet

from kit.errors import Conflict, NotFound
from metering.taxes.models import TaxRate, TaxTreatment
from metering.taxes.rating import UNTAXED, Rate, Treatment
from tenants.models import Tenant

Kind = TaxTreatment.Kind
_Row = TypeVar("_Row", TaxRate, TaxTreatment)


def rates_for(*, tenant: Tenant, at: dt.datetime) -> Treatment:
    """Return how a tenant is taxed at a moment, its rates sorted by name.

    A tenant of which nobody has said how pays none. Raises `Conflict` for one that is
    taxed in a place where no rate is in force then: no tax is forgotten silently.
    """
    row = treatment_in_force(tenant=tenant, at=at)
    if row is None:
        return UNTAXED
    if row.kind != Kind.TAXED:
        return Treatment(row.kind, (), row.note)
    found = rates_of(country=row.country, region=row.region, at=at)
    if not found:
        place = f"{row.country}-{row.region}" if row.region else row.country
        raise Conflict(
            f"{tenant.slug} is taxed in {place}, where no tax rate is in force at"
            f" {at:%Y-%m-%d %H:%M} UTC: create it, or treat the tenant otherwise."
        )
    return Treatment(row.kind, found, row.note)


def treatment_in_force(*, tenant: Tenant, at: dt.datetime) -> TaxTreatment | None:
    """Return a tenant's treatment at a moment; None where nobody has said."""
    return _in_force(TaxTreatment.objects.filter(tenant=tenant), at).first()


def rates_of(*, country: str, region: str, at: dt.datetime) -> tuple[Rate, ...]:
    """Return the rates of a country and of a region of it that hold at a moment."""
    rows = _in_force(TaxRate.objects.filter(country=country), at).filter(
        Q(region="") | Q(region=region)
    )
    return tuple(
        Rate(row.pk, row.name, row.percent) for row in rows.order_by("name", "pk")
    )


def tax_rates(
    *,
    country: str | None = None,
    region: str | None = None,
    at: dt.datetime | None = None,
) -> QuerySet[TaxRate]:
    """List rates, the latest first."""
    rows = TaxRate.objects.all() if at is None else _in_force(TaxRate.objects.all(), at)
    if country is not None:
        rows = rows.filter(country=country)
    if region is not None:
        rows = rows.filter(region=region)
    return rows.order_by("-id")


def tax_rate(rate_id: int) -> TaxRate:
    """Return one rate; raises `NotFound`."""
    row = tax_rates().filter(pk=rate_id).first()
    if row is None:
        raise NotFound(f"There is no tax rate {rate_id}.")
    return row


def tax_treatments(
    *, tenant: Tenant | None = None, kind: str | None = None
) -> QuerySet[TaxTreatment]:
    """List treatments, the latest first, with their tenant at hand."""
    rows = TaxTreatment.objects.select_related("tenant")
    if tenant is not None:
        rows = rows.filter(tenant=tenant)
    if kind is not None:
        rows = rows.filter(kind=kind)
    return rows.order_by("-id")


def tax_treatment(treatment_id: int) -> TaxTreatment:
    """Return one treatment; raises `NotFound`."""
    row = tax_treatments().filter(pk=treatment_id).first()
    if row is None:
        raise NotFound(f"There is no tax treatment {treatment_id}.")
    return row


def _in_force(rows: QuerySet[_Row], at: dt.datetime) -> QuerySet[_Row]:
    return rows.filter(Q(ends_at=None) | Q(ends_at__gt=at), starts_at__lte=at)
