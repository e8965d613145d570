"""Addresses of a tenant's projects."""

from django.urls import path

from pages.console.projects import listing, one

urlpatterns = [
    path("", listing.projects, name="projects"),
    path("new/", one.create, name="project_new"),
    path("<int:project_id>/", one.project, name="project"),
    path("<int:project_id>/rename/", one.rename, name="project_rename"),
    path("<int:project_id>/archive/", one.archive, name="project_archive"),
]
