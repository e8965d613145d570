"""Addresses of the request log and of receipts."""

from django.urls import path

from pages.console.log import pages, receipt

urlpatterns = [
    path("", pages.log, name="requests"),
    path("<uuid:request_id>/", receipt.page, name="request"),
]
