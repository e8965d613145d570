"""Addresses of the operators' own pages, beside those of the admin's site."""

from django.urls import path

from pages.operations.live import live
from pages.operations.proof import proof
from pages.operations.routes import routes
from pages.operations.tenant import notes
from pages.operations.tenant.looking import look
from pages.operations.tenant.raising import raise_limit
from pages.operations.tenant.view import tenant

app_name = "operations"
urlpatterns = [
    path("live/", live, name="live"),
    path("routes/", routes, name="routes"),
    path("proof/", proof, name="proof"),
    path("tenants/<int:tenant_id>/", tenant, name="tenant"),
    path("tenants/<int:tenant_id>/look/", look, name="look"),
    path("tenants/<int:tenant_id>/notes/add/", notes.add, name="note"),
    path("tenants/<int:tenant_id>/limits/raise/", raise_limit, name="raise"),
    path("tenants/<int:tenant_id>/<slug:tab>/", tenant, name="tenant_tab"),
]
