"""Operators' pages of served models, their aliases and replicas."""

from django.contrib import admin

from inference.control.admin.aliases import ModelAliasAdmin
from inference.control.admin.models import ServedModelAdmin
from inference.control.admin.replicas import ReplicaAdmin

# The front page of the admin says how the installation stands.
admin.site.index_template = "control/front_page.html"
admin.site.index_title = "Overview"

__all__ = ["ModelAliasAdmin", "ReplicaAdmin", "ServedModelAdmin"]
