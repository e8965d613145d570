"""Which tenant a request means that may leave it out."""

from kit.acting import Actor
from kit.errors import InvalidRequest
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
