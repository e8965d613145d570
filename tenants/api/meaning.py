"""Which tenant a request means that may leave it out, and whose limits it asks for."""

from typing import Any

from kit.acting import Actor
from kit.errors import InvalidRequest, NotFound
from tenants import selectors
from tenants.models import Tenant


def tenant_meant(actor: Actor, named: Tenant | None) -> Tenant:
    """Return the tenant that was named, or else the caller's own.

    Raises `InvalidRequest` for an operator who names none.
    """
    if named is not None:
        return named
    if actor.tenant_id is None:
        raise InvalidRequest(
            "Name the tenant that it is for.", param="tenant", code="required"
        )
    return selectors.tenant(actor.tenant_id)


def holder_meant(actor: Actor, wanted: dict[str, int]) -> dict[str, Any]:
    """Return the one key, project or tenant that is asked about, with its tenant.

    Raises `InvalidRequest` for none or several, `NotFound` for one out of reach.
    """
    if not wanted and actor.tenant_id is not None:
        wanted = {"tenant": actor.tenant_id}
    if len(wanted) != 1:
        raise InvalidRequest(
            "Say whose limits: one of key, project and tenant.", param="tenant"
        )
    ((what, number),) = wanted.items()
    if what == "tenant":
        return {"tenant": selectors.tenant(number)}
    if what == "project":
        project = selectors.project(number)
        if not actor.sees_project(project.pk):
            raise NotFound(f"There is no project {number}.")
        return {"tenant": project.tenant, "project": project}
    key = selectors.api_key(number)
    if not actor.sees_project(key.project_id):
        raise NotFound(f"There is no API key {number}.")
    return {"tenant": key.tenant, "api_key": key}
