"""What each role may do, in scopes.

Owners do everything of a tenant. Admins do but for paying and for what only owners do
with owners. Developers work in the projects that they are in. Billing sees what is used
and owed, viewers see and change nothing.
"""

from collections.abc import Mapping

from kit.scopes import DATA_PLANE, TENANTS, Scope
from tenants.models import Role

_SEEN = frozenset(
    {
        Scope.TENANT_READ,
        Scope.PROJECTS_READ,
        Scope.MEMBERS_READ,
        Scope.LIMITS_READ,
        Scope.CATALOG_READ,
        Scope.USAGE_READ,
    }
)

SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.OWNER: TENANTS,
    Role.ADMIN: TENANTS - {Scope.BILLING_WRITE},
    Role.DEVELOPER: _SEEN
    | DATA_PLANE
    | {Scope.KEYS_READ, Scope.KEYS_WRITE, Scope.TOKENS_READ, Scope.TOKENS_WRITE},
    Role.BILLING: _SEEN
    | {
        Scope.BILLING_READ,
        Scope.BILLING_WRITE,
        Scope.TOKENS_READ,
        Scope.TOKENS_WRITE,
    },
    Role.VIEWER: _SEEN | {Scope.TOKENS_READ, Scope.TOKENS_WRITE},
}

# Roles that reach the projects that they are in, and no others.
KEPT_TO_PROJECTS = frozenset({Role.DEVELOPER})


def scopes_of(role: str) -> frozenset[Scope]:
    """Return what a role may do."""
    return SCOPES[Role(role)]
