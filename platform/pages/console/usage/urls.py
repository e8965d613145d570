"""Addresses of the usage page, below a tenant's."""

from django.urls import path

from pages.console.usage import views

urlpatterns = [path("", views.usage, name="usage")]
