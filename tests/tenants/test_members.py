"""Members: roles, projects, leaving, and that a tenant keeps an owner."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from inference.control.models import Publication
from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict, InvalidRequest, PermissionDenied
from kit.orm.atomic import atomic
from kit.orm.audited import Told, changed
from kit.orm.roles import as_operator
from kit.scopes import TENANTS, Scope
from tenants import selectors, services
from tenants.models import ApiKey, ManagementToken, Member, ProjectMember, Role, Tenant
from tenants.roles import SCOPES
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.members import acting_for
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
    make_token,
)

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide a tenant with an owner."""
    made = make_tenant()
    make_member(tenant=made)
    return made


def own_key(member: Member, project: object = None) -> ApiKey:
    """Give a member an API key of his own."""
    row = make_key(tenant=member.tenant).row
    fields: dict[str, object] = {"member": member}
    if project is not None:
        fields["project"] = project
    ApiKey.objects.filter(pk=row.pk).update(**fields)
    return row


def published() -> dict[str, int]:
    """Return the version of each published API key, by its name there."""
    rows = Publication.objects.filter(kind=Publication.Kind.API_KEY)
    return dict(rows.values_list("key", "version"))


@contextmanager
def listening() -> Iterator[list[Told]]:
    """Collect what is told to the audit."""
    heard: list[Told] = []

    def listen(told: Told, **_: object) -> None:
        heard.append(told)

    changed.connect(listen)
    try:
        yield heard
    finally:
        changed.disconnect(listen)


def is_revoked(row: ApiKey | ManagementToken) -> bool:
    """Tell whether it is revoked by now."""
    row.refresh_from_db()
    return row.revoked_at is not None


def test_a_removed_member_leaves_nothing_that_opens(tenant: Tenant) -> None:
    project = make_project(tenant=tenant)
    member = make_member(tenant=tenant, role=Role.DEVELOPER, projects=[project])
    key, token = own_key(member), make_token(member=member).row
    service = make_key(tenant=tenant).row
    held = selectors.holdings(member, now=NOW)
    assert (held.keys, held.tokens, held.invitations) == (1, 1, 0)
    removed = services.remove_member(member=member, now=NOW)
    assert removed.removed_at == NOW
    assert is_revoked(key)
    assert is_revoked(token)
    assert not is_revoked(service)
    assert not ProjectMember.objects.filter(member=member).exists()
    later = NOW + dt.timedelta(days=1)
    assert services.remove_member(member=member, now=later).removed_at == NOW


def test_the_last_owner_stays_and_stays_owner(operator_db: None) -> None:
    owner = make_member()
    make_member(tenant=owner.tenant, role=Role.ADMIN)
    with pytest.raises(Conflict):
        services.remove_member(member=owner, now=NOW)
    with pytest.raises(Conflict):
        services.change_role(member=owner, role=Role.ADMIN, now=NOW)
    make_member(tenant=owner.tenant)
    services.remove_member(member=owner, now=NOW)


@pytest.mark.parametrize("role", [Role.ADMIN, None], ids=["demoted", "removed"])
def test_of_two_owners_who_leave_at_once_one_stays(
    fresh_database: object, role: Role | None
) -> None:
    first = make_member()
    second = make_member(tenant=first.tenant)

    def leave(member: Member) -> None:
        if role is None:
            services.remove_member(member=member, now=NOW)
        else:
            services.change_role(member=member, role=role, now=NOW)

    lost: list[Exception | None] = []
    other = Thread(
        target=lambda: lost.append(as_another_operator(lambda: leave(second))),
        daemon=True,
    )
    with as_operator(), atomic():
        leave(first)
        other.start()
        wait_until_blocked()
    other.join(30)
    assert isinstance(lost[0], Conflict)
    with as_operator():
        owners = Member.objects.filter(role=Role.OWNER, removed_at=None)
        assert list(owners) == [second]


@pytest.mark.parametrize("role", Role)
def test_nobody_raises_himself(tenant: Tenant, role: Role) -> None:
    for own in (Role.ADMIN, Role.BILLING, Role.VIEWER):
        member = make_member(tenant=tenant, role=own)
        # As if the role had the right to write members, which it must not need.
        actor = Actor(
            ActorKind.MEMBER,
            member.pk,
            tenant_id=tenant.pk,
            member_id=member.pk,
            scopes=TENANTS,
        )
        with acting_as(actor):
            if own == role or (own, role) in {
                (Role.ADMIN, Role.DEVELOPER),
                (Role.ADMIN, Role.VIEWER),
                (Role.BILLING, Role.VIEWER),
            }:
                services.change_role(member=member, role=role, now=NOW)
                continue
            with pytest.raises(PermissionDenied):
                services.change_role(member=member, role=role, now=NOW)
        member.refresh_from_db()
        assert member.role == own


def test_only_owners_touch_owners(tenant: Tenant) -> None:
    owner = make_member(tenant=tenant)
    admin = make_member(tenant=tenant, role=Role.ADMIN)
    service = Actor(ActorKind.TENANT_TOKEN, 1, tenant_id=tenant.pk, scopes=TENANTS)
    for acting in (acting_for(admin), acting_as(service)):
        with acting:
            with pytest.raises(PermissionDenied):
                services.remove_member(member=owner, now=NOW)
            with pytest.raises(PermissionDenied):
                services.change_role(member=owner, role=Role.VIEWER, now=NOW)
            with pytest.raises(PermissionDenied):
                services.set_projects(member=owner, project_ids=[], now=NOW)
    with acting_for(make_member(tenant=tenant)):
        services.change_role(member=owner, role=Role.VIEWER, now=NOW)
        services.remove_member(member=admin, now=NOW)


def test_an_admin_makes_admins_but_no_owner_and_nobody_for_billing(
    tenant: Tenant,
) -> None:
    member = make_member(tenant=tenant, role=Role.VIEWER)
    with acting_for(make_member(tenant=tenant, role=Role.ADMIN)):
        services.change_role(member=member, role=Role.ADMIN, now=NOW)
        for above in (Role.OWNER, Role.BILLING):
            with pytest.raises(PermissionDenied) as refused:
                services.change_role(member=member, role=above, now=NOW)
            assert refused.value.code == "role_beyond_yours"


def test_an_operators_narrow_token_gives_no_more_than_it_holds(tenant: Tenant) -> None:
    member = make_member(tenant=tenant, role=Role.VIEWER)
    narrow = Actor(ActorKind.OPERATOR_TOKEN, 1, scopes=frozenset({Scope.MEMBERS_WRITE}))
    with acting_as(narrow), pytest.raises(PermissionDenied):
        services.change_role(member=member, role=Role.OWNER, now=NOW)


def test_a_member_is_in_exactly_the_projects_that_are_named(tenant: Tenant) -> None:
    one, two, three = (make_project(tenant=tenant) for _ in range(3))
    member = make_member(tenant=tenant, role=Role.DEVELOPER, projects=[one, two])
    kept, lost = own_key(member, two), own_key(member, one)
    with listening() as told:
        services.set_projects(member=member, project_ids=[two.pk, three.pk], now=NOW)
    places = ProjectMember.objects.filter(member=member)
    assert {place.project_id for place in places} == {two.pk, three.pk}
    assert not is_revoked(kept)
    assert is_revoked(lost)
    assert [(each.audited.noun, each.action) for each in told] == [
        ("project_member", "remove"),
        ("project_member", "add"),
        ("api_key", "revoke"),
    ]


def test_projects_of_others_are_refused_and_nothing_changes(tenant: Tenant) -> None:
    own = make_project(tenant=tenant)
    member = make_member(tenant=tenant, role=Role.DEVELOPER, projects=[own])
    for wrong in (make_project().pk, 999_999_999):
        with pytest.raises(InvalidRequest) as refused:
            services.set_projects(member=member, project_ids=[wrong], now=NOW)
        assert refused.value.message == f"There is no project {wrong}."
        assert refused.value.param == "projects"
    assert ProjectMember.objects.get(member=member).project == own


def test_a_member_stays_in_an_archived_project_and_nobody_new_comes(
    tenant: Tenant,
) -> None:
    old = make_project(tenant=tenant)
    member = make_member(tenant=tenant, role=Role.DEVELOPER, projects=[old])
    services.archive_project(project=old, now=NOW)
    services.set_projects(member=member, project_ids=[old.pk], now=NOW)
    other = make_member(tenant=tenant, role=Role.DEVELOPER)
    with pytest.raises(InvalidRequest, match="archived"):
        services.set_projects(member=other, project_ids=[old.pk], now=NOW)


def test_keys_beyond_the_new_role_are_revoked_and_those_within_are_not(
    tenant: Tenant,
) -> None:
    inside, outside = make_project(tenant=tenant), make_project(tenant=tenant)
    member = make_member(tenant=tenant, role=Role.ADMIN)
    kept, lost = own_key(member, inside), own_key(member, outside)
    services.update_member(
        member=member, role=Role.DEVELOPER, project_ids=[inside.pk], now=NOW
    )
    assert (is_revoked(kept), is_revoked(lost)) == (False, True)
    # Up again, out of the project: of both changes the key is within.
    services.update_member(member=member, role=Role.ADMIN, project_ids=[], now=NOW)
    assert not is_revoked(kept)
    services.change_role(member=member, role=Role.VIEWER, now=NOW)
    assert is_revoked(kept)


def test_a_lower_role_takes_from_keys_what_it_may_not_do(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A role in between: it may list models and generates nothing.
    between = {**SCOPES, Role.VIEWER: SCOPES[Role.VIEWER] | {Scope.MODELS}}
    monkeypatch.setattr("tenants.roles.SCOPES", between)
    member = make_member(tenant=tenant, role=Role.ADMIN)
    narrowed, untouched, emptied = (own_key(member) for _ in range(3))
    ApiKey.objects.filter(pk=untouched.pk).update(scopes=["models"])
    ApiKey.objects.filter(pk=emptied.pk).update(scopes=["embed", "generate"])
    service, revoked = make_key(tenant=tenant).row, own_key(member)
    services.revoke_key(api_key=revoked, now=NOW)
    before = published()
    with listening() as told:
        services.change_role(member=member, role=Role.VIEWER, now=NOW)
    said = [(each.action, each.row, [*each.after]) for each in told]
    assert said[1:] == [
        ("narrow", narrowed, ["scopes"]),
        ("revoke", emptied, ["revoked_at"]),
    ]
    for row in (narrowed, untouched, emptied, service, revoked):
        row.refresh_from_db()
    assert narrowed.scopes == untouched.scopes == ["models"]
    assert emptied.revoked_at == NOW
    assert len(service.scopes) == len(revoked.scopes) == 3
    # The gateways hear of both, in the transaction that changed them.
    heard = {name for name, version in published().items() if version != before[name]}
    assert heard == {narrowed.digest, emptied.digest}
    services.change_role(member=member, role=Role.ADMIN, now=NOW)
    narrowed.refresh_from_db()
    assert narrowed.scopes == ["models"]


def test_who_has_left_does_not_change(tenant: Tenant) -> None:
    member = make_member(tenant=tenant, role=Role.VIEWER)
    services.remove_member(member=member, now=NOW)
    with pytest.raises(Conflict):
        services.change_role(member=member, role=Role.ADMIN, now=NOW)
    with pytest.raises(Conflict):
        services.set_projects(member=member, project_ids=[], now=NOW)


def test_members_are_found_by_what_people_know(tenant: Tenant) -> None:
    project = make_project(tenant=tenant)
    ada = make_member(
        tenant=tenant,
        role=Role.DEVELOPER,
        email="ada@example.com",
        projects=[project],
    )
    gone = make_member(tenant=tenant, role=Role.VIEWER)
    services.remove_member(member=gone, now=NOW)
    find = selectors.members
    assert list(find(search="ADA@", tenant_id=tenant.pk)) == [ada]
    assert list(find(email="ADA@example.com")) == [ada]
    assert list(find(role=Role.DEVELOPER, tenant_id=tenant.pk)) == [ada]
    assert list(find(project_id=project.pk)) == [ada]
    assert list(find(project_id=project.pk, project_ids=[project.pk])) == [ada]
    assert list(find(project_id=project.pk, project_ids=[])) == []
    assert list(find(removed=True, tenant_id=tenant.pk)) == [gone]
