"""Routes of credit grants, wallets and the books under the management API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from metering.ledger.api import wallets
from metering.ledger.api.views import CreditGrantViewSet

router = SimpleRouter(use_regex_path=False)
router.register("credit-grants", CreditGrantViewSet, basename="credit_grant")

urlpatterns = [
    *router.urls,
    path("ledger/wallet/", wallets.WalletView.as_view(), name="wallet"),
    path("ledger/statement/", wallets.StatementView.as_view(), name="statement"),
    path(
        "ledger/statement/lines/",
        wallets.StatementLineView.as_view({"get": "list"}),
        name="statement_lines",
    ),
    path("ledger/balances/", wallets.BalancesView.as_view(), name="balances"),
]
