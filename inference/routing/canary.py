"""Whom canary replicas serve: a stable part of tenants, or of sessions.

Assigned by a digest of the session, or of the tenant where a client names none, so that
every gateway says the same and a conversation stays where it began. Growing the part
moves nobody back. Pure.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from inference.routing.router import Candidate, RouteAsk
from inference.routing.serving import CANARY_WHOLE


def preferred(
    ask: RouteAsk, candidates: Sequence[Candidate], *, permille: int
) -> Sequence[Candidate]:
    """Return those on the side of a request; the others where its own has none."""
    canaries = [each for each in candidates if each.replica.is_canary]
    if not canaries or len(canaries) == len(candidates):
        return candidates
    if is_on_canary(ask.model, ask.tenant_id, ask.session, permille=permille):
        return canaries
    return [each for each in candidates if not each.replica.is_canary]


def is_on_canary(model: str, tenant_id: int, session: str, *, permille: int) -> bool:
    """Tell whether a tenant's session of a model is served by its canaries."""
    return permille > 0 and _position(model, tenant_id, session) < permille


@lru_cache(maxsize=65_536)
def _position(model: str, tenant_id: int, session: str) -> int:
    text = f"{model}\0{tenant_id}\0{session}".encode()
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest) % CANARY_WHOLE
