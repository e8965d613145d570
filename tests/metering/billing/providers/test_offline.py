"""The offline provider keeps the contract, on a page of ours."""

import pytest
from django.test import override_settings

from metering.billing.providers import UnknownProvider, provider_for
from metering.billing.providers.offline import OfflineProvider
from tests.metering.billing.providers.contract import ProviderContract
from tests.metering.billing.providers.scene import NOW, make_draft


class TestOffline(ProviderContract):
    """The contract, offline."""

    @pytest.fixture
    def provider(self) -> OfflineProvider:
        return OfflineProvider()


@override_settings(PUBLIC_URL="https://gate.example.com/")
def test_the_page_is_ours(operator_db: None) -> None:
    invoice = make_draft(100, provider="offline")
    provider_for(invoice).advance(invoice, now=NOW)
    page = f"https://gate.example.com/finance/invoices/{invoice.public_id}/"
    assert invoice.hosted_url == page


def test_an_invoice_keeps_its_provider(operator_db: None) -> None:
    with override_settings(BILLING_PROVIDER="stripe"):
        invoice = make_draft(100, provider="offline")
        assert isinstance(provider_for(invoice), OfflineProvider)
    with pytest.raises(UnknownProvider, match="carrier pigeon"):
        provider_for(make_draft(100, provider="carrier pigeon"))
