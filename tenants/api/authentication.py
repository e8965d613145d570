"""Who calls the management API: one bearer token, an operator's or a tenant's.

The installation's own operator token is compared in constant time; every other is found
by its HMAC. Who calls is asked as the operator role, since before the answer there is
no tenant to be; what follows runs in the caller's own role.

Failure: no token and a wrong, expired or revoked one, or one from a wrong network, are
each a 401 that names the scheme, with one message for every reason and the same work
behind it.
"""

import hmac

from django.conf import settings
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from kit.acting import Actor, ActorKind
from kit.drf.origin import client_address
from kit.errors import InvalidApiKey
from kit.orm.roles import as_operator
from tenants import selectors
from tenants.services.token_use import note_token_use

SCHEME = "Bearer"


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer ...`."""

    def authenticate(self, request: Request) -> tuple[Actor, None] | None:
        """Return who calls, or None when no bearer token was sent."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        actor = _actor_of(token.strip(), request)
        if actor is None:
            raise InvalidApiKey(
                "The token is not valid: mistyped, revoked, expired, or not for use"
                " from this address.",
                code="invalid_token",
                headers={"WWW-Authenticate": SCHEME},
            )
        return actor, None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing token is a 401."""
        return SCHEME


def _actor_of(token: str, request: Request) -> Actor | None:
    """Return who holds the token, having noted that it was used."""
    root = settings.OPERATOR_TOKEN.encode()
    if hmac.compare_digest(token.encode(), root):
        return Actor(ActorKind.ROOT_TOKEN)
    now = timezone.now()
    with as_operator():
        holder = selectors.holder_of_token(
            token, address=client_address(request._request), now=now
        )
        if holder is None:
            return None
        if holder.actor.id is not None:
            note_token_use(
                token_id=holder.actor.id, last_used_at=holder.last_used_at, now=now
            )
    return holder.actor
