"""Who works at the first customer: one member of each role, who can sign in."""

from django.contrib.auth.models import User

from kit.orm.roles import as_operator
from tenants.models import Role, Tenant
from tests.factories.tenants import default_project, make_member
from tests.pictures.past import MEMBERS_PASSWORD, member_address


def account(role: str) -> User:
    """Return the account of the member of this role."""
    with as_operator():
        return User.objects.get(username=member_address(role))


def invite(tenant: Tenant) -> None:
    """Make a tenant's members, the developer in its first project."""
    for role in Role.values:
        projects = [default_project(tenant)] if role == Role.DEVELOPER else []
        member = make_member(
            tenant=tenant, role=role, email=member_address(role), projects=projects
        )
        with as_operator():
            member.user.set_password(MEMBERS_PASSWORD)
            member.user.save(update_fields=["password"])
