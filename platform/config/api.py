"""The management API, put together from each app's own routes."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
