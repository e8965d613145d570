"""Reads of who may call, and how much: a subject a module.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
Lists are lazy and narrowed by what is given; None means no narrowing.
"""

from tenants.selectors.audit import (
    actor_key,
    audit_actors,
    audit_details,
    audit_entries,
)
from tenants.selectors.billing_addresses import named_address, named_addresses
from tenants.selectors.invitations import invitation, invitations
from tenants.selectors.keys import api_key, api_key_by_text, api_keys
from tenants.selectors.limits import (
    EffectiveLimits,
    effective_limits,
    limit,
    limits,
    limits_of_each,
)
from tenants.selectors.members import Holdings, holdings, member, members
from tenants.selectors.notes import note_authors, notes
from tenants.selectors.places import actor_in, place_among, places
from tenants.selectors.plans import (
    plan,
    plan_of,
    plans,
    tenant_counts,
    tenants_of_plan,
    tenants_on_no_plan,
)
from tenants.selectors.projects import project, project_by_slug, projects
from tenants.selectors.tenants import tenant, tenant_by_slug, tenants
from tenants.selectors.tokens import TokenHolder, holder_of_token, token, tokens

__all__ = [
    "EffectiveLimits",
    "Holdings",
    "TokenHolder",
    "actor_in",
    "actor_key",
    "api_key",
    "api_key_by_text",
    "api_keys",
    "audit_actors",
    "audit_details",
    "audit_entries",
    "effective_limits",
    "holder_of_token",
    "holdings",
    "invitation",
    "invitations",
    "limit",
    "limits",
    "limits_of_each",
    "member",
    "members",
    "named_address",
    "named_addresses",
    "note_authors",
    "notes",
    "place_among",
    "places",
    "plan",
    "plan_of",
    "plans",
    "project",
    "project_by_slug",
    "projects",
    "tenant",
    "tenant_by_slug",
    "tenant_counts",
    "tenants",
    "tenants_of_plan",
    "tenants_on_no_plan",
    "token",
    "tokens",
]
