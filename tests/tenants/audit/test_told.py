"""What is done with models, prices and invoices is told; time's own doing is not."""

import datetime as dt

import pytest

from inference.control import services as serving
from kit.acting import Actor, ActorKind, acting_as
from metering.billing.services import issue_invoice
from metering.pricing import services as pricing
from metering.pricing.assigning import assign_book
from tenants.models import AuditEntry
from tenants.models.audit import INSTALLATION
from tests.factories.billing import make_draft
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
COMMAND = Actor(ActorKind.COMMAND)


def last(chain: int = INSTALLATION) -> AuditEntry:
    return AuditEntry.objects.filter(chain=chain).latest("seq")


def test_a_replica_tells_where_its_credential_is_and_never_what() -> None:
    model = serving.create_model(name="demo", context_tokens=4096)
    serving.disable_model(model=model)
    assert (last().object_kind, last().after) == ("model", {"enabled": False})
    replica = serving.add_replica(
        model=model, name="gpu-1", url="http://10.0.0.5:8000", credential="ENGINE_KEY_A"
    )
    assert last().after["credential"] == "ENGINE_KEY_A"
    serving.drain_replica(replica=replica)
    assert (last().before, last().after) == (
        {"state": "active"},
        {"state": "draining"},
    )


def test_prices_are_told_as_they_are_drafted_and_published() -> None:
    book = pricing.create_price_book(name="list", currency="USD")
    assert (last().action, last().after["name"]) == ("create", "list")
    version = pricing.draft_version(book=book, effective_at=NOW)
    assert last().action == "draft"
    quotes = {
        "input_per_million": "3",
        "cached_input_per_million": "0.3",
        "output_per_million": "15",
    }
    picos = {
        "input_picos": 3_000_000,
        "cached_input_picos": 300_000,
        "output_picos": 15_000_000,
    }
    pricing.set_price(version=version, model="demo", **quotes)
    assert (last().before, last().after) == ({}, {"demo": picos})
    before = AuditEntry.objects.count()
    pricing.set_price(version=version, model="demo", **quotes)
    assert AuditEntry.objects.count() == before
    pricing.publish_version(version=version, now=NOW)
    assert last().action == "publish"
    assert last().after["prices"] == {"demo": picos}
    tenant = make_tenant()
    assigned = assign_book(tenant=tenant, book=book, now=NOW)
    assert last(tenant.pk).after == {
        "id": assigned.pk,
        "tenant_id": tenant.pk,
        "book_id": book.pk,
        "starts_at": NOW.isoformat(),
        "ends_at": None,
    }
    assign_book(tenant=tenant, book=book, now=NOW)
    assert last(tenant.pk).seq == 3


def test_an_invoice_that_somebody_issues_is_told_and_one_that_is_due_is_not() -> None:
    due = make_draft()
    before = AuditEntry.objects.count()
    issue_invoice(invoice=due, now=NOW)
    assert AuditEntry.objects.count() == before
    asked = make_draft()
    with acting_as(COMMAND):
        issued = issue_invoice(invoice=asked, now=NOW)
    entry = last(asked.tenant_id)
    assert (entry.action, entry.object_kind) == ("issue", "invoice")
    assert entry.after["number"] == issued.number
    assert entry.actor_kind == "command"
