"""Reads of who may call, and how much: a subject a module.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
Lists are lazy and narrowed by what is given; None means no narrowing.
"""

from tenants.selectors.keys import api_key, api_keys
from tenants.selectors.projects import project, project_by_slug, projects
from tenants.selectors.tenants import tenant, tenant_by_slug, tenants
from tenants.selectors.tokens import actor_of_token

__all__ = [
    "actor_of_token",
    "api_key",
    "api_keys",
    "project",
    "project_by_slug",
    "projects",
    "tenant",
    "tenant_by_slug",
    "tenants",
]
