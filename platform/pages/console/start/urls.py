"""Addresses of a tenant's home."""

from django.urls import path

from pages.console.start import home

urlpatterns = [
    path("", home.home, name="tenant"),
]
