"""Addresses of the playground."""

from django.urls import path

from pages.console.playground import views

urlpatterns = [
    path("", views.page, name="playground"),
    path("key/", views.key, name="playground_key"),
]
