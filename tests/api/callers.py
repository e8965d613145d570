"""Clients of the management API, by role, on a committed database."""

from collections.abc import Collection

from django.test import Client

from kit.scopes import Scope
from tenants.models import Project, Tenant
from tests.factories.tenants import make_member, make_tenant, make_token


def bearing(token: str) -> Client:
    """Return a client that sends this token."""
    return Client(
        headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False
    )


class Callers:
    """Makes clients that call in a role."""

    def __call__(
        self,
        *,
        role: str | None = None,
        tenant: Tenant | None = None,
        scopes: Collection[Scope] | None = None,
        projects: Collection[Project] = (),
    ) -> Client:
        """Return a client that sends a new token.

        With a `role` it is a member's own, in `projects`; with a `tenant` alone a
        service's; with neither an operator's. Without `scopes` the token has all that
        its holder may have.
        """
        if role is None:
            return bearing(make_token(tenant=tenant, scopes=scopes).token)
        member = make_member(
            tenant=tenant or make_tenant(), role=role, projects=projects
        )
        return bearing(make_token(member=member, scopes=scopes).token)
