"""Addresses of a tenant's home, and of the way to a first call."""

from django.urls import path

from pages.console.start import home, quickstart

urlpatterns = [
    path("", home.home, name="tenant"),
    path("start/", quickstart.start, name="start"),
    path("start/arrived/", quickstart.arrived, name="arrived"),
]
