"""Stripe knows the tax id that a tenant gives, and people know of one it does not."""

import datetime as dt

import pytest

from metering.billing.models import ProviderCustomer, ProviderOperation
from metering.billing.operations import OutcomeUnknown
from metering.billing.parties import set_billing_profile
from metering.billing.providers.stripe.client import StripeAccount
from metering.billing.providers.stripe.customers import customer_of
from metering.billing.providers.stripe.tax_ids import TaxId, Unclear, tax_id_of
from tenants.models import Tenant
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import MINUTE, NOW
from tests.standins.stripe import StripeStandIn

PATH = "/v1/customers/*/tax_ids"


@pytest.fixture
def client(standin: StripeStandIn) -> StripeAccount:
    return StripeAccount(
        api_key="sk_test_any", api_base=standin.url, network_retries_max=0
    )


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    return make_tenant()


def say(
    client: StripeAccount,
    tenant: Tenant,
    tax_id: str | None = None,
    country: str = "DE",
    *,
    now: dt.datetime = NOW,
) -> ProviderCustomer:
    """Give a tax id here, if any, and let the customer be made or told of it."""
    if tax_id is not None:
        set_billing_profile(tenant=tenant, country=country, tax_id=tax_id)
    customer_of(client, account="default", tenant=tenant, now=now)
    return ProviderCustomer.objects.get(tenant=tenant)


def there(standin: StripeStandIn) -> list[tuple[str, str]]:
    """Return the tax ids at Stripe."""
    rows = standin.engine.account.rows["tax_id"].values()
    return [(row["type"], row["value"]) for row in rows]


def states() -> list[tuple[str, str]]:
    """Return the calls about tax ids, and what became of them."""
    rows = ProviderOperation.objects.filter(name__startswith="tax_id").order_by("pk")
    return list(rows.values_list("name", "state"))


@pytest.mark.parametrize(
    ("country", "written", "kind", "value"),
    [
        ("DE", "DE 123.456.789", "eu_vat", "DE123456789"),
        ("DE", "12/345/67890", "de_stn", "12/345/67890"),
        ("GR", "GR123456789", "eu_vat", "EL123456789"),
        ("GR", "el123456789", "eu_vat", "EL123456789"),
        ("ES", "A12345678", "es_cif", "A12345678"),
        ("GB", "GB 123 4567 89", "gb_vat", "GB123456789"),
        ("GB", "XI123456789", "eu_vat", "XI123456789"),
        ("CH", "CHE-123.456.789 MWST", "ch_vat", "CHE-123.456.789 MWST"),
        ("CH", "CHE-123.456.789", "ch_uid", "CHE-123.456.789"),
        ("US", "12-3456789", "us_ein", "12-3456789"),
        ("CA", "123456789RT0002", "ca_gst_hst", "123456789RT0002"),
        ("BR", "01.234.456/5432-10", "br_cnpj", "01.234.456/5432-10"),
        ("JP", "T1234567891234", "jp_trn", "T1234567891234"),
        ("SG", "199912345A", "sg_uen", "199912345A"),
        ("NO", "123456789MVA", "no_vat", "123456789MVA"),
    ],
)
def test_a_tax_id_is_of_its_countrys_kind(
    country: str, written: str, kind: str, value: str
) -> None:
    assert tax_id_of(country, written) == TaxId(kind, value)


@pytest.mark.parametrize(
    ("country", "written", "why"),
    [
        ("FR", "12345678901", "such as FR123456789"),
        ("GR", "123456789", "such as EL123456789"),
        ("GB", "123456789", "not written as those of GB"),
        ("AQ", "1", "no tax ids of AQ"),
        ("", "DE123456789", "country is missing"),
    ],
)
def test_what_is_of_no_kind_says_what_to_write(
    country: str, written: str, why: str
) -> None:
    with pytest.raises(Unclear, match=why):
        tax_id_of(country, written)


def test_none_is_none() -> None:
    assert tax_id_of("DE", " ") is None


def test_a_tax_id_is_told_once_and_another_in_its_place(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    row = say(client, tenant, "DE123456789")
    assert there(standin) == [("eu_vat", "DE123456789")]
    assert (row.tax_id_problem, len(row.tax_id_sha256)) == ("", 64)
    calls = len(standin.journal())
    say(client, tenant)
    assert len(standin.journal()) == calls
    say(client, tenant, "DE987654321")
    assert there(standin) == [("eu_vat", "DE987654321")]
    # The first one again is made again.
    say(client, tenant, "DE123456789")
    assert there(standin) == [("eu_vat", "DE123456789")]
    row = say(client, tenant, "")
    assert (there(standin), row.tax_id_reference) == ([], "")
    assert {state for _, state in states()} == {"succeeded"}


def test_customers_of_before_are_told_too(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    say(client, tenant)
    assert there(standin) == []
    say(client, tenant, "DE123456789")
    assert there(standin) == [("eu_vat", "DE123456789")]


def test_a_refused_one_is_said_and_holds_nothing_up(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    row = say(client, tenant, "DE1")
    assert row.tax_id_problem == "Invalid value for eu_vat."
    assert states() == [("tax_id", "dropped")]
    calls = len(standin.journal())
    say(client, tenant, now=NOW + 2 * MINUTE)
    assert len(standin.journal()) == calls
    row = say(client, tenant, "DE123456789")
    assert (row.tax_id_problem, there(standin)) == ("", [("eu_vat", "DE123456789")])


def test_one_of_no_kind_is_said_and_takes_the_old_one_away(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    say(client, tenant, "FR12345678901", "FR")
    row = say(client, tenant, "12345678901", "FR")
    assert "such as FR123456789" in row.tax_id_problem
    assert there(standin) == []
    row = say(client, tenant, "", "FR")
    assert row.tax_id_problem == ""


def test_any_other_refusal_is_tried_again(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    standin.plan("lock_timeout", path=PATH)
    row = say(client, tenant, "DE123456789")
    assert row.tax_id_problem
    assert states() == [("tax_id", "failed")]
    assert say(client, tenant).tax_id_problem == row.tax_id_problem
    row = say(client, tenant, now=NOW + 2 * MINUTE)
    assert (row.tax_id_problem, there(standin)) == ("", [("eu_vat", "DE123456789")])


@pytest.mark.parametrize("fault", ["drop_before", "commit_then_drop"])
def test_a_lost_answer_tells_it_once(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn, fault: str
) -> None:
    standin.plan(fault, path=PATH)
    with pytest.raises(OutcomeUnknown):
        say(client, tenant, "DE123456789")
    row = say(client, tenant)
    assert there(standin) == [("eu_vat", "DE123456789")]
    assert row.tax_id_reference


def test_one_that_changed_while_in_doubt_does_not_stay(
    client: StripeAccount, tenant: Tenant, standin: StripeStandIn
) -> None:
    standin.plan("commit_then_drop", path=PATH)
    with pytest.raises(OutcomeUnknown):
        say(client, tenant, "DE123456789")
    say(client, tenant, "DE987654321")
    assert there(standin) == [("eu_vat", "DE987654321")]
    assert "unknown" not in {state for _, state in states()}
