"""What each role may do, in scopes.

Owners do everything of a tenant. Admins do but for paying and for what only owners do
with owners. Developers work in the projects that they are in. Billing sees what is used
and owed, viewers see and change nothing.

Since nobody gives a role that may do what he may not, admins make admins, developers
and viewers; owners make every role.
"""

from collections.abc import Mapping

from kit.errors import InvalidRequest
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

# Said to people, where a role is offered to them.
MEANINGS: Mapping[Role, str] = {
    Role.OWNER: "You may do everything, paying and making owners included.",
    Role.ADMIN: "You may manage projects, members, keys and limits.",
    Role.DEVELOPER: "You may make API keys in the projects that you are in.",
    Role.BILLING: "You may see usage and manage what is owed.",
    Role.VIEWER: "You may see usage and limits, and change nothing.",
}

# Roles that reach the projects that they are in, and no others.
KEPT_TO_PROJECTS = frozenset({Role.DEVELOPER})


def scopes_of(role: str) -> frozenset[Scope]:
    """Return what a role may do."""
    return SCOPES[Role(role)]


def as_role(role: str) -> Role:
    """Return the role of this name; raises `InvalidRequest`."""
    try:
        return Role(role)
    except ValueError:
        raise InvalidRequest(
            f"There is no role '{role[:16]}'; there are: {', '.join(Role.values)}.",
            param="role",
        ) from None
