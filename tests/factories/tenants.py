"""Tenants, projects, keys, members and tokens for tests, as the operator role."""

import datetime as dt
import itertools
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import get_user_model

from kit import api_keys as credentials
from kit.orm.roles import as_operator
from kit.scopes import EVERY, TENANTS, Scope
from tenants import services
from tenants.models import ManagementToken, Member, Project, ProjectMember, Tenant
from tenants.roles import scopes_of
from tenants.services import IssuedKey

_numbers = itertools.count(1)


def make_tenant(
    *,
    slug: str | None = None,
    name: str | None = None,
    currency: str = "USD",
    zone: str = "UTC",
    billing_email: str = "",
    payment_mode: str = "postpaid",
    period_day: int = 1,
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
            payment_mode=payment_mode,
            period_day=period_day,
        )


def midday_zone() -> str:
    """Name a zone where it is about noon: none of its days turns during a test."""
    hour = dt.datetime.now(dt.UTC).hour
    return f"Etc/GMT{hour - 12:+d}" if hour != 12 else "UTC"


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


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A management token: its text and its row."""

    token: str
    row: ManagementToken


def make_member(
    *,
    tenant: Tenant | None = None,
    role: str = "owner",
    email: str | None = None,
    projects: Collection[Project] = (),
) -> Member:
    """Give a new account a place in a tenant, and in some of its projects."""
    address = email or f"person-{next(_numbers)}@example.com"
    owner = tenant or make_tenant()
    with as_operator():
        user = get_user_model().objects.create_user(username=address, email=address)
        member = Member.objects.create(
            tenant=owner, user=user, email=address, role=role
        )
        for project in projects:
            ProjectMember.objects.create(tenant=owner, project=project, member=member)
    return member


def make_token(
    *,
    tenant: Tenant | None = None,
    member: Member | None = None,
    scopes: Collection[Scope] | None = None,
    allowed_networks: Collection[str] = (),
    expires_at: dt.datetime | None = None,
) -> MadeToken:
    """Make a token: a member's own, else a tenant's, else an operator's.

    Without `scopes` it has all that its holder may have.
    """
    tenant_id = member.tenant_id if member else tenant.pk if tenant else None
    most = scopes_of(member.role) if member else TENANTS if tenant_id else EVERY
    is_operators = tenant_id is None
    token = credentials.generate(
        credentials.OPERATOR_TOKEN_PREFIX
        if is_operators
        else credentials.TENANT_TOKEN_PREFIX
    )
    with as_operator():
        row = ManagementToken.objects.create(
            tenant_id=tenant_id,
            member=member,
            name=f"token {next(_numbers)}",
            digest=credentials.digest(token, settings.MANAGEMENT_TOKEN_SECRET),
            shown=credentials.shown(token),
            scopes=sorted(most if scopes is None else scopes),
            allowed_networks=list(allowed_networks),
            expires_at=expires_at,
        )
    return MadeToken(token=token, row=row)
