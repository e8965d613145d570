"""Routes of payments, credit notes, and what becomes of invoices."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from metering.receivables.api.views import (
    CreditNoteViewSet,
    DunningStepViewSet,
    PaymentViewSet,
    RefundViewSet,
    StandingViewSet,
)

router = SimpleRouter(use_regex_path=False)
router.register("payments", PaymentViewSet, basename="payment")
router.register("refunds", RefundViewSet, basename="refund")
router.register("credit-notes", CreditNoteViewSet, basename="credit_note")
router.register("dunning-steps", DunningStepViewSet, basename="dunning_step")

_INVOICE = "invoices/<int:pk>/"

urlpatterns = [
    path(f"{_INVOICE}standing/", StandingViewSet.as_view({"get": "standing_of"})),
    path(f"{_INVOICE}write-off/", StandingViewSet.as_view({"post": "write_off"})),
    path(f"{_INVOICE}hold/", StandingViewSet.as_view({"post": "hold"})),
    path(f"{_INVOICE}release/", StandingViewSet.as_view({"post": "release"})),
    *router.urls,
]
