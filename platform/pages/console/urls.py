"""Addresses of the console."""

from django.urls import path

from pages.console import tokens, views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("<slug:tenant>/tokens/", tokens.tokens, name="tokens"),
    path("<slug:tenant>/tokens/new/", tokens.issue, name="token_new"),
    path(
        "<slug:tenant>/tokens/<int:token_id>/rotate/",
        tokens.rotate,
        name="token_rotate",
    ),
    path(
        "<slug:tenant>/tokens/<int:token_id>/revoke/",
        tokens.revoke,
        name="token_revoke",
    ),
]
