"""Addresses of limits, below a tenant's."""

from django.urls import path

from pages.console.limits import views

urlpatterns = [
    path("", views.limits, name="limits"),
    path("new/<str:kind>/", views.new, name="limit_new"),
    path("<str:kind>/<int:limit_id>/", views.edit, name="limit"),
    path("<str:kind>/<int:limit_id>/end/", views.end, name="limit_end"),
]
