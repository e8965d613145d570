"""Addresses of the console: each part of it lists its own, below a tenant's."""

from django.urls import include, path

from pages.console import views

app_name = "console"
urlpatterns = [
    path("", views.home, name="home"),
    path("<slug:tenant>/", include("pages.console.start.urls")),
    path("<slug:tenant>/requests/", include("pages.console.log.urls")),
    path("<slug:tenant>/playground/", include("pages.console.playground.urls")),
    path("<slug:tenant>/models/", include("pages.console.catalog.urls")),
    path("<slug:tenant>/billing/", include("pages.console.billing.urls")),
    path("<slug:tenant>/keys/", include("pages.console.keys.urls")),
    path("<slug:tenant>/projects/", include("pages.console.projects.urls")),
    path("<slug:tenant>/members/", include("pages.console.people.urls")),
    path("<slug:tenant>/", include("pages.console.records.urls")),
    path("<slug:tenant>/tokens/", include("pages.console.tokens.urls")),
    path("<slug:tenant>/notifications/", include("pages.console.notifications.urls")),
    path("<slug:tenant>/limits/", include("pages.console.limits.urls")),
    path("<slug:tenant>/usage/", include("pages.console.usage.urls")),
]
