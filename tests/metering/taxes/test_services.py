"""What a place charges and how a tenant is taxed, at every moment one thing."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import Error, IntegrityError
from django.db.models import Model

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from metering.taxes.models import TaxRate, TaxTreatment
from metering.taxes.services import create_rate, end_rate, rates_for, treat_tenant
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
WHY = "Reverse charge: the recipient accounts for the VAT."


def vat(percent: str = "19", **changes: Any) -> TaxRate:
    """Say what Germany charges since long ago."""
    terms: Any = {"name": "VAT", "country": "DE", "starts_at": NOW - 1000 * DAY}
    return create_rate(percent=Decimal(percent), **{**terms, **changes})


@pytest.fixture
def tenant() -> Tenant:
    """Provide a tenant."""
    return make_tenant()


def paid(tenant: Tenant, at: dt.datetime) -> list[tuple[str, str]]:
    """Return names and percentages of what a tenant pays at a moment."""
    found = rates_for(tenant=tenant, at=at)
    return [(rate.name, str(rate.percent.normalize())) for rate in found.rates]


def test_of_whom_nobody_has_said_anything_pays_none(tenant: Tenant) -> None:
    vat()
    found = rates_for(tenant=tenant, at=NOW)
    assert (found.kind, found.rates, found.note) == ("", (), "")


def test_a_law_that_changes_a_rate_touches_no_tenant(tenant: Tenant) -> None:
    first = vat()
    treat_tenant(tenant=tenant, kind="taxed", country="DE", now=NOW)
    end_rate(rate=first, ends_at=NOW + 2 * DAY, now=NOW)
    vat("16", starts_at=NOW + 2 * DAY)
    assert paid(tenant, NOW + 2 * DAY - dt.timedelta(microseconds=1)) == [("VAT", "19")]
    assert paid(tenant, NOW + 2 * DAY) == [("VAT", "16")]


def test_a_region_adds_its_rates_to_those_of_the_country(tenant: Tenant) -> None:
    vat("5", name="GST", country="CA")
    vat("9.975", name="QST", country="CA", region="QC")
    vat("8", name="HST", country="CA", region="ON")
    treat_tenant(tenant=tenant, kind="taxed", country="CA", region="QC", now=NOW)
    assert paid(tenant, NOW) == [("GST", "5"), ("QST", "9.975")]


def test_a_treatment_ends_the_one_before_from_its_begin_on(tenant: Tenant) -> None:
    vat()
    first = treat_tenant(tenant=tenant, kind="taxed", country="DE", now=NOW)
    begins = NOW + 5 * DAY
    second = treat_tenant(
        tenant=tenant, kind="reverse_charge", note=WHY, starts_at=begins, now=NOW
    )
    first.refresh_from_db()
    assert (first.ends_at, second.ends_at) == (begins, None)
    assert paid(tenant, begins - DAY) == [("VAT", "19")]
    found = rates_for(tenant=tenant, at=begins)
    assert (found.kind, found.rates, found.note) == ("reverse_charge", (), WHY)


def test_saying_the_same_again_changes_nothing(tenant: Tenant) -> None:
    terms: Any = {"tenant": tenant, "kind": "exempt", "note": "A university."}
    first = treat_tenant(now=NOW, **terms)
    assert treat_tenant(now=NOW + DAY, **terms) == first
    rate = vat()
    end_rate(rate=rate, ends_at=NOW, now=NOW)
    assert end_rate(rate=rate, ends_at=NOW, now=NOW + DAY).ends_at == NOW


def test_tax_of_a_place_without_a_rate_is_no_zero(tenant: Tenant) -> None:
    rate = vat()
    treat_tenant(tenant=tenant, kind="taxed", country="DE", now=NOW)
    end_rate(rate=rate, ends_at=NOW + DAY, now=NOW)
    with pytest.raises(Conflict, match="where no tax rate is in force"):
        rates_for(tenant=tenant, at=NOW + DAY)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"kind": "taxed"}, "country"),
        ({"kind": "taxed", "country": "FR"}, "country"),
        ({"kind": "exempt"}, "note"),
        ({"kind": "reverse_charge"}, "note"),
        ({"kind": "other", "note": "a"}, "kind"),
        ({"kind": "exempt", "note": "a", "country": "germany"}, "country"),
    ],
)
def test_a_treatment_says_all_that_it_takes(
    tenant: Tenant, terms: Any, param: str
) -> None:
    vat()
    with pytest.raises(InvalidRequest) as refused:
        treat_tenant(tenant=tenant, now=NOW, **terms)
    assert refused.value.param == param
    assert not TaxTreatment.objects.exists()


def test_the_past_of_a_tenant_stays(tenant: Tenant) -> None:
    treat_tenant(tenant=tenant, kind="exempt", note="a", starts_at=NOW - DAY, now=NOW)
    changed: Any = {"tenant": tenant, "kind": "exempt", "note": "b", "now": NOW}
    with pytest.raises(InvalidRequest):
        treat_tenant(**changed, starts_at=NOW - dt.timedelta(hours=1))
    treat_tenant(**changed, starts_at=NOW + DAY)
    with pytest.raises(Conflict):
        treat_tenant(**{**changed, "note": "c"}, starts_at=NOW)


@pytest.mark.parametrize("starts", [NOW - 2000 * DAY, NOW - 1000 * DAY, NOW])
def test_a_place_has_one_rate_of_a_name_at_a_time(starts: dt.datetime) -> None:
    vat()
    with pytest.raises(Conflict):
        vat("16", starts_at=starts)
    vat("7", starts_at=starts, name="Reduced VAT")
    vat("20", starts_at=starts, country="AT")
    vat("1", starts_at=NOW - 2000 * DAY, ends_at=NOW - 1000 * DAY)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"percent": "100.0001"}, "percent"),
        ({"percent": "-1"}, "percent"),
        ({"percent": "1.00001"}, "percent"),
        ({"country": "de"}, "country"),
        ({"name": ""}, "name"),
        ({"ends_at": NOW - 1000 * DAY}, "ends_at"),
        ({"starts_at": dt.datetime(2026, 1, 1)}, "starts_at"),  # noqa: DTZ001
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(changes: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        vat(**changes)
    assert refused.value.param == param
    assert not TaxRate.objects.exists()


def test_the_database_holds_one_at_a_time_and_what_was_said(tenant: Tenant) -> None:
    rate = vat()
    said = treat_tenant(tenant=tenant, kind="taxed", country="DE", now=NOW)
    copies: list[Model] = [
        TaxRate(name="VAT", country="DE", percent=Decimal(7), starts_at=NOW),
        TaxTreatment(tenant=tenant, kind="taxed", country="AT", starts_at=NOW),
    ]
    for copy in copies:
        with pytest.raises(IntegrityError), atomic():
            copy.save()
    for row, changes in ((rate, {"percent": Decimal(7)}), (said, {"country": "AT"})):
        rows: Any = type(row)._default_manager.filter(pk=row.pk)
        with pytest.raises(Error, match="changes only by its end"), atomic():
            rows.update(**changes)
        with pytest.raises(Error, match="permission denied"), atomic():
            rows.delete()
        rows.update(ends_at=NOW + DAY)
        with pytest.raises(Error, match="changes only by its end"), atomic():
            rows.update(ends_at=None)
