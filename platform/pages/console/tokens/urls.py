"""Addresses of a member's own tokens."""

from django.urls import path

from pages.console.tokens import views

urlpatterns = [
    path("", views.tokens, name="tokens"),
    path("new/", views.issue, name="token_new"),
    path("<int:token_id>/rotate/", views.rotate, name="token_rotate"),
    path("<int:token_id>/revoke/", views.revoke, name="token_revoke"),
]
