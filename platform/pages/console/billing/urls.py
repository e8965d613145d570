"""Addresses of what a tenant owes and has paid."""

from django.urls import path

from pages.console.billing import (
    credit,
    details,
    explaining,
    invoices,
    overview,
    topping_up,
)

_INVOICE = "invoices/<uuid:public_id>/"

urlpatterns = [
    path("", overview.page, name="billing"),
    path("invoices/", invoices.listed, name="invoices"),
    path(_INVOICE, invoices.page, name="invoice"),
    path(f"{_INVOICE}pdf/", invoices.pdf, name="invoice_pdf"),
    path(f"{_INVOICE}lines/<int:position>/", explaining.line, name="invoice_line"),
    path(
        f"{_INVOICE}lines/<int:position>/<str:date>/",
        explaining.day,
        name="invoice_day",
    ),
    path("credit/", credit.page, name="credit"),
    path("top-up/", topping_up.page, name="top_up"),
    path("top-up/rule/", topping_up.rule, name="top_up_rule"),
    path("top-up/<int:checkout_id>/", topping_up.checkout, name="checkout"),
    path("top-up/<int:checkout_id>/cancel/", topping_up.cancel, name="checkout_cancel"),
    path("details/", details.page, name="billing_details"),
    path("details/addresses/", details.add, name="billing_address_add"),
    path(
        "details/addresses/<int:address_id>/ask/",
        details.ask,
        name="billing_address_ask",
    ),
    path(
        "details/addresses/<int:address_id>/remove/",
        details.remove,
        name="billing_address_remove",
    ),
    path("portal/", topping_up.portal, name="portal"),
    path("portal/<int:link_id>/", topping_up.portal_link, name="portal_link"),
]
