"""The command: closes, issues, prints, and says what it waits for."""

import datetime as dt
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from metering.billing.models import Invoice, Period
from metering.taxes.services import create_rate, treat_tenant
from metering.usage.zones import month_of
from tenants.models import Tenant
from tests.factories.billing import make_month, make_tenant_of
from tests.factories.tenants import make_tenant

NOW = "--now=2026-10-02T00:00:00Z"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("close_period", *arguments, stdout=out)
    return out.getvalue()


def run_json(*arguments: str) -> list[dict[str, Any]]:
    periods: list[dict[str, Any]] = json.loads(run("--json", *arguments))["periods"]
    return periods


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    tenant = make_tenant_of(slug="acme")
    make_month(tenant=tenant)
    return tenant


def test_last_ended_month_is_closed_and_issued(tenant: Tenant) -> None:
    (period,) = run_json("--tenant=acme", NOW)

    invoice = period["invoice"]
    assert (period["tenant"], period["period"]) == ("acme", "2026-09")
    assert (invoice["number"], invoice["state"]) == ("T-2026-000001", "paid")
    assert invoice["hosted_url"].endswith(f"/finance/invoices/{invoice['public_id']}/")
    assert invoice["exact_picos"] == "1056000000"
    assert invoice["amount_minor"] == 0
    assert [line["token_class"] for line in invoice["lines"]] == [
        "input",
        "cached_input",
        "output",
    ]
    assert sum(int(line["exact_picos"]) for line in invoice["lines"]) == 1_056_000_000


def test_what_has_no_price_has_none_in_json(tenant: Tenant) -> None:
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    create_rate(name="VAT", country="DE", percent=Decimal(19), starts_at=began)
    treat_tenant(tenant=tenant, kind="taxed", country="DE", starts_at=began, now=began)
    (period,) = run_json("--tenant=acme", NOW)
    units = {line["kind"]: line["unit_picos"] for line in period["invoice"]["lines"]}
    assert units["tax"] is None
    assert units["usage"] == "15000000"


def test_running_it_again_prints_the_same(tenant: Tenant) -> None:
    assert run_json("--tenant=acme", NOW) == run_json("--tenant=acme", NOW)


def test_people_read_number_lines_and_total(tenant: Tenant) -> None:
    text = run("--tenant=acme", "--period=2026-09", NOW)
    assert "acme 2026-09: invoice T-2026-000001 (paid)" in text
    assert "demo-model, output tokens: 50, 0.00075 exact, 0.00 USD" in text
    assert "total 0.001056 exact, 0.00 USD" in text


def test_drafts_can_be_left_to_the_worker(tenant: Tenant) -> None:
    (period,) = run_json("--tenant=acme", "--no-issue", NOW)
    assert (period["invoice"]["number"], period["invoice"]["state"]) == (None, "draft")
    assert Invoice.objects.get(tenant=tenant).number is None


def test_all_tenants_are_closed_without_one(tenant: Tenant) -> None:
    make_tenant_of(slug="idle")
    closed = run_json(NOW)
    assert {each["tenant"]: each["invoice"] is not None for each in closed} == {
        "acme": True,
        "idle": False,
    }
    assert run(NOW) == "No period is due.\n"


def test_rehearsal_closes_the_months_before_too(tenant: Tenant) -> None:
    closed = run_json("--tenant=acme", "--now=2026-12-02T00:00:00Z")
    assert [each["period"] for each in closed] == ["2026-09", "2026-10", "2026-11"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--tenant=nobody",), "no tenant 'nobody'"),
        (("--period=2026-09",), "--period needs --tenant"),
        (("--tenant=acme", "--period=2026-9x"), "such as 2026-11"),
        (("--tenant=acme", "--period=9999-12"), "such as 2026-11"),
        (("--tenant=acme", "--now=2026-10-02"), "with its offset"),
        (("--tenant=acme", "--now=2099-01-01T00:00:00Z"), "days ahead"),
        (("--tenant=acme", "--now=2026-10-01T00:30:00Z"), "can be closed from"),
        (("--tenant=acme", "--now=2026-09-20T00:00:00Z"), "has ended"),
    ],
)
def test_what_cannot_be_is_said(
    tenant: Tenant, arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        run(*arguments)
    assert not Period.objects.filter(state=Period.State.CLOSED).exists()


def test_period_of_a_tenant_of_today_can_be_rehearsed(operator_db: None) -> None:
    tenant = make_tenant(slug="new")
    # In the first hour of a month the one before it cannot be closed yet.
    _, next_month = month_of(tenant.created_at.date())
    after = dt.datetime.combine(next_month, dt.time(12), tzinfo=dt.UTC)
    (closed,) = run_json("--tenant=new", f"--now={after.isoformat()}")
    assert closed["period"] == f"{tenant.created_at:%Y-%m}"
