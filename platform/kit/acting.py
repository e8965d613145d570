"""On whose behalf the code runs: told once at the door, read where it is recorded.

A request, a page or a command names its actor; services ask for it when they write the
audit and when a right depends on it. Failure: without a name it is the system, which is
what tasks run as.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from kit.scopes import EVERY, Scope


class ActorKind(StrEnum):
    """What kind of actor it is; its id counts within its kind."""

    SYSTEM = "system"
    COMMAND = "command"
    # The person in the admin, by the account's id.
    OPERATOR = "operator"
    # The installation's own operator token, which has no row.
    ROOT_TOKEN = "root_token"  # noqa: S105
    OPERATOR_TOKEN = "operator_token"  # noqa: S105
    TENANT_TOKEN = "tenant_token"  # noqa: S105
    MEMBER = "member"
    # A signed-in person who acts for no tenant, by the account's id.
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and what it may do.

    `tenant_id` is None for those who act on every tenant. `project_ids` are the
    projects that it is kept to, None when it is not. `member_id` is the member behind
    a personal token. What a suspended tenant may do is in `scopes` already.
    """

    kind: ActorKind
    id: int | None = None
    tenant_id: int | None = None
    member_id: int | None = None
    scopes: frozenset[Scope] = EVERY
    project_ids: frozenset[int] | None = None
    request_id: str = ""
    is_suspended: bool = False

    @property
    def is_authenticated(self) -> bool:
        """Tell frameworks that somebody is there."""
        return True

    @property
    def is_operator(self) -> bool:
        """Tell whether it acts on every tenant."""
        return self.tenant_id is None

    def may(self, scope: Scope) -> bool:
        """Tell whether it holds a right."""
        return scope in self.scopes

    def sees_project(self, project_id: int) -> bool:
        """Tell whether a project is within its reach."""
        return self.project_ids is None or project_id in self.project_ids


SYSTEM = Actor(ActorKind.SYSTEM)

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Run the block on behalf of an actor."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def current() -> Actor:
    """Return who acts."""
    return _actor.get()
