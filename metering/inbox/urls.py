"""Addresses that providers call; the last slash may be missing, as none follows us."""

from django.urls import re_path

from metering.inbox.views import stripe_webhook

urlpatterns = [
    re_path(r"^stripe/?$", stripe_webhook, name="stripe_webhook"),
    re_path(
        r"^stripe/(?P<account>[a-z][a-z0-9-]*)/?$",
        stripe_webhook,
        name="stripe_webhook_of",
    ),
]
