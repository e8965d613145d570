"""Writes of operators' notes on tenants."""

from kit.acting import ActorKind, current
from kit.errors import InvalidRequest
from kit.orm.saving import create
from tenants.models import Note, Tenant


def add_note(*, tenant: Tenant, text: str) -> Note:
    """Note something on a tenant, as whoever acts.

    Raises `InvalidRequest` for a text that is empty or too long.
    """
    said = text.strip()
    if not said:
        raise InvalidRequest(
            "Write something: an empty note says nothing.", param="text"
        )
    actor = current()
    author_id = actor.id if actor.kind is ActorKind.OPERATOR else None
    note = Note(tenant=tenant, text=said, author_id=author_id)
    create(note)
    return note
