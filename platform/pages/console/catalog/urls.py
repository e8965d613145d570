"""Addresses of the models that a tenant may call, and what they cost it."""

from django.urls import path

from pages.console.catalog import listing, one

urlpatterns = [
    path("", listing.models, name="models"),
    path("<int:model_id>/", one.model, name="model"),
]
