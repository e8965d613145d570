"""What every billing provider does, whatever it is."""

import threading

from django.db import connections

from kit.orm.roles import as_operator
from metering.billing.models import Invoice, Seller
from metering.billing.providers.base import BillingProvider, finished
from tests.factories.tenants import make_tenant
from tests.metering.billing.providers.scene import MINUTE, NOW, make_draft


class ProviderContract:
    """The shared suite; a subclass provides the fixture `provider`."""

    def test_it_issues_a_draft(
        self, operator_db: None, provider: BillingProvider
    ) -> None:
        invoice = make_draft(1250, 30, provider=provider.name)
        provider.advance(invoice, now=NOW)
        assert finished(invoice)
        assert invoice.state == Invoice.State.OPEN
        assert invoice.issued_at == NOW
        assert invoice.problem == ""
        assert Invoice.objects.get(pk=invoice.pk).hosted_url == invoice.hosted_url

    def test_advancing_again_changes_nothing(
        self, operator_db: None, provider: BillingProvider
    ) -> None:
        invoice = make_draft(1250, provider=provider.name)
        provider.advance(invoice, now=NOW)
        before = Invoice.objects.filter(pk=invoice.pk).values().get()
        provider.advance(invoice, now=NOW + MINUTE)
        assert Invoice.objects.filter(pk=invoice.pk).values().get() == before
        assert Seller.objects.get().last_number == 1

    def test_a_negative_total_is_held_and_takes_no_number(
        self, operator_db: None, provider: BillingProvider
    ) -> None:
        tenant = make_tenant()
        negative = make_draft(100, -101, provider=provider.name, tenant=tenant)
        provider.advance(negative, now=NOW)
        assert (negative.state, negative.number) == (Invoice.State.DRAFT, None)
        assert "negative" in negative.problem
        following = make_draft(100, provider=provider.name, tenant=tenant)
        provider.advance(following, now=NOW)
        assert Seller.objects.get().last_number == 1
        assert (following.number or "").endswith("000001")

    def test_a_total_of_zero_is_issued(
        self, operator_db: None, provider: BillingProvider
    ) -> None:
        invoice = make_draft(0, provider=provider.name)
        provider.advance(invoice, now=NOW)
        assert finished(invoice)

    def test_two_at_once_make_one_invoice(
        self, fresh_database: object, provider: BillingProvider
    ) -> None:
        with as_operator():
            invoice = make_draft(1250, provider=provider.name)

        def advance() -> None:
            try:
                with as_operator():
                    provider.advance(Invoice.objects.get(pk=invoice.pk), now=NOW)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=advance) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with as_operator():
            assert finished(Invoice.objects.get(pk=invoice.pk))
            assert Seller.objects.get().last_number == 1
