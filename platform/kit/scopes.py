"""What a credential may do: one vocabulary for API keys, management tokens and members.

A scope says a thing and, in the management API, whether it is read or written. Whoever
hands out a credential hands out no more than it holds.
"""

from collections.abc import Iterable
from enum import StrEnum


class Scope(StrEnum):
    """One right."""

    # The data plane, for API keys.
    GENERATE = "generate"
    EMBED = "embed"
    MODELS = "models"
    # A tenant's own things, in the management API.
    TENANT_READ = "tenant:read"
    TENANT_WRITE = "tenant:write"
    PROJECTS_READ = "projects:read"
    PROJECTS_WRITE = "projects:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    TOKENS_READ = "tokens:read"
    TOKENS_WRITE = "tokens:write"
    LIMITS_READ = "limits:read"
    LIMITS_WRITE = "limits:write"
    CATALOG_READ = "catalog:read"
    USAGE_READ = "usage:read"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    AUDIT_READ = "audit:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    # The installation, for operators alone.
    OPERATE_READ = "operate:read"
    OPERATE_WRITE = "operate:write"


DATA_PLANE = frozenset({Scope.GENERATE, Scope.EMBED, Scope.MODELS})
OPERATORS = frozenset({Scope.OPERATE_READ, Scope.OPERATE_WRITE})
EVERY = frozenset(Scope)
# All that a tenant's own credential may ever hold.
TENANTS = EVERY - OPERATORS
# What is left of a suspended tenant's: it sees what it used and owes.
READS = frozenset(scope for scope in Scope if scope.endswith(":read")) - OPERATORS


def beyond(asked: Iterable[Scope], held: Iterable[Scope]) -> tuple[Scope, ...]:
    """Return what is asked for and not held, in order; empty when all is."""
    return tuple(sorted(set(asked) - set(held)))
