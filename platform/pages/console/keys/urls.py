"""Addresses of a tenant's API keys."""

from django.urls import path

from pages.console.keys import changing, issuing, listing, one, stopping

urlpatterns = [
    path("", listing.keys, name="keys"),
    path("new/", issuing.issue, name="key_new"),
    path("<int:key_id>/", one.key, name="key"),
    path("<int:key_id>/change/", changing.change, name="key_change"),
    path("<int:key_id>/limit/", changing.limit, name="key_limit"),
    path("<int:key_id>/rotate/", issuing.rotate, name="key_rotate"),
    path("<int:key_id>/disable/", stopping.disable, name="key_disable"),
    path("<int:key_id>/enable/", stopping.enable, name="key_enable"),
    path("<int:key_id>/revoke/", stopping.revoke, name="key_revoke"),
]
