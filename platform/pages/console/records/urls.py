"""Addresses of what is kept of a tenant: its audit, its files, its settings."""

from django.urls import path

from pages.console.records import audit, exports, settings

urlpatterns = [
    path("audit/", audit.audit, name="audit"),
    path("exports/", exports.exports, name="exports"),
    path("exports/<int:export_id>/", exports.export, name="export"),
    path("exports/<int:export_id>/file/", exports.download, name="export_file"),
    path("settings/", settings.settings, name="settings"),
]
