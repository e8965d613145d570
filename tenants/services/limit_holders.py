"""Whom a limit is for, and whether the caller may set one there.

Failure: nobody, or more than one, is an `InvalidRequest`; so is a holder that no longer
calls. Somebody else's is refused in the words for what is not there.
"""

from dataclasses import dataclass
from typing import Self

from kit.acting import Actor
from kit.errors import InvalidRequest, PermissionDenied
from tenants.models import ApiKey, Level, Limit, Plan, Project, SetBy, Tenant


@dataclass(frozen=True, slots=True)
class Holder:
    """One of a plan's level, a tenant, a project or an API key."""

    level: str
    plan: Plan | None = None
    tenant: Tenant | None = None
    project: Project | None = None
    api_key: ApiKey | None = None

    @classmethod
    def of(
        cls,
        *,
        plan: Plan | None = None,
        tenant: Tenant | None = None,
        project: Project | None = None,
        api_key: ApiKey | None = None,
        level: str | None = None,
    ) -> Self:
        """Return the one holder that is given; a `level` goes with a plan alone."""
        given = (plan, tenant, project, api_key)
        if sum(each is not None for each in given) != 1:
            raise InvalidRequest(
                "Say whom the limit is for: a plan, a tenant, a project or a key."
            )
        if plan is not None:
            return cls(level or Level.TENANT, plan=plan)
        if level is not None:
            raise InvalidRequest(
                "A level is said of a plan's limit: leave it out.", param="level"
            )
        if api_key is not None:
            return cls(Level.API_KEY, tenant=api_key.tenant, api_key=api_key)
        if project is not None:
            return cls(Level.PROJECT, tenant=project.tenant, project=project)
        return cls(Level.TENANT, tenant=tenant)

    def project_id(self) -> int | None:
        """Return the project that it is, or that the key is of."""
        if self.api_key is not None:
            return self.api_key.project_id
        return None if self.project is None else self.project.pk

    def hold(self, row: Limit) -> None:
        """Make a new limit this holder's."""
        row.level = self.level
        row.plan, row.tenant = self.plan, self.tenant
        row.project, row.api_key = self.project, self.api_key

    def refuse_closed(self) -> None:
        """Raise where a limit would hold for nothing."""
        if self.project is not None and self.project.archived_at is not None:
            raise InvalidRequest(
                f"Project {self.project.pk} is archived: name another one.",
                param="project",
            )
        if self.api_key is not None and self.api_key.revoked_at is not None:
            raise InvalidRequest(
                f"API key {self.api_key.pk} is revoked: name another one.", param="key"
            )


def set_by(actor: Actor, holder: Holder) -> SetBy:
    """Return whose limit it is that an actor sets.

    Raises `PermissionDenied` for a plan's, `InvalidRequest` for somebody else's holder.
    """
    if actor.is_operator:
        return SetBy.OPERATOR
    if holder.tenant is None:
        raise PermissionDenied(
            "Plans are the operators'. Set a limit of your tenant, a project or a key.",
            code="operators_limit",
        )
    if holder.tenant.pk != actor.tenant_id:
        # Callers look things up in their own role, so that only a bug comes here.
        raise InvalidRequest(f"There is no tenant {holder.tenant.pk}.", param="tenant")
    project_id = holder.project_id()
    if actor.project_ids is not None and project_id not in actor.project_ids:
        raise PermissionDenied(
            "You work in some projects only: set limits of these and of their keys.",
            code="beyond_projects",
        )
    return SetBy.TENANT
