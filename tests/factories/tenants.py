"""Tenants, projects and API keys for tests, made by services as the operator role."""

import itertools

from kit.orm.roles import as_operator
from tenants import services
from tenants.models import Project, Tenant
from tenants.services import IssuedKey

_numbers = itertools.count(1)


def make_tenant(
    *,
    slug: str | None = None,
    name: str | None = None,
    currency: str = "USD",
    zone: str = "UTC",
    billing_email: str = "",
) -> Tenant:
    """Create a tenant, with its default project."""
    number = next(_numbers)
    with as_operator():
        return services.create_tenant(
            slug=slug or f"tenant-{number}",
            name=name or f"Tenant {number}",
            currency=currency,
            zone=zone,
            billing_email=billing_email,
        )


def make_project(
    *, tenant: Tenant | None = None, slug: str | None = None, name: str | None = None
) -> Project:
    """Create a project, of a new tenant unless one is given."""
    number = next(_numbers)
    with as_operator():
        return services.create_project(
            tenant=tenant or make_tenant(),
            slug=slug or f"project-{number}",
            name=name or f"Project {number}",
        )


def make_key(
    *, tenant: Tenant | None = None, project: Project | None = None, name: str = "key"
) -> IssuedKey:
    """Issue an API key: of the given project, or else of the tenant's default one."""
    with as_operator():
        owner = project.tenant if project else tenant or make_tenant()
        return services.issue_key(
            tenant=owner, project=project or default_project(owner), name=name
        )


def default_project(tenant: Tenant) -> Project:
    """Return the project that every tenant starts with."""
    with as_operator():
        return Project.objects.get(tenant=tenant, slug=services.DEFAULT_PROJECT)
