"""Addresses of the console."""

from django.urls import path

from pages.console import views

app_name = "console"
urlpatterns = [path("", views.home, name="home")]
