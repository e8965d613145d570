"""API keys: what may be given by whom, what changes, what a rotation hands on."""

import datetime as dt
from collections.abc import Collection
from typing import Any

import pytest
from django.utils import timezone

from inference.control import services as serving
from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from kit.scopes import DATA_PLANE, TENANTS, Scope
from tenants import selectors, services
from tenants.models import ApiKey, KeyState, KeyUse, Member, Project, Role
from tenants.roles import KEPT_TO_PROJECTS, scopes_of
from tests.factories.control import make_model
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
)

pytestmark = pytest.mark.usefixtures("operator_db")

HOUR = dt.timedelta(hours=1)


def by(member: Member, *, scopes: Collection[Scope] | None = None) -> Actor:
    """Return the actor that a member is."""
    held = scopes_of(member.role)
    places = frozenset(member.places.values_list("project_id", flat=True))
    return Actor(
        ActorKind.MEMBER,
        member.pk,
        tenant_id=member.tenant_id,
        member_id=member.pk,
        scopes=held if scopes is None else held & frozenset(scopes),
        project_ids=places if Role(member.role) in KEPT_TO_PROJECTS else None,
    )


def program(project: Project, *scopes: Scope) -> Actor:
    """Return the actor that a tenant's program is."""
    return Actor(
        ActorKind.TENANT_TOKEN,
        1,
        tenant_id=project.tenant_id,
        scopes=frozenset(scopes) or TENANTS,
    )


def issue(project: Project, **given: Any) -> ApiKey:
    """Issue a key for a project and return its row."""
    values = {"name": "key", **given}
    return services.issue_key(tenant=project.tenant, project=project, **values).row


def test_a_key_that_is_not_narrowed_may_all_that_its_issuer_may() -> None:
    project = make_project()
    assert issue(project).scopes == sorted(DATA_PLANE)
    with acting_as(program(project, Scope.KEYS_WRITE, Scope.EMBED)):
        assert issue(project).scopes == ["embed"]


def test_nobody_gives_more_than_it_holds() -> None:
    project = make_project()
    with acting_as(program(project, Scope.KEYS_WRITE, Scope.EMBED)):
        with pytest.raises(PermissionDenied) as refused:
            issue(project, scopes=["embed", "generate"])
        assert refused.value.code == "scope_beyond_yours"
        assert "generate" in refused.value.message
    with acting_as(program(project, Scope.KEYS_WRITE)), pytest.raises(PermissionDenied):
        issue(project)
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize("scope", ["keys:write", "operate:write", "nonsense"])
def test_a_key_calls_the_data_plane_alone(scope: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        issue(make_project(), scopes=["generate", scope])
    assert refused.value.param == "scopes"


def test_a_key_without_a_scope_is_none() -> None:
    with pytest.raises(InvalidRequest):
        issue(make_project(), scopes=[])


def test_a_key_has_a_name() -> None:
    with pytest.raises(InvalidRequest) as refused:
        issue(make_project(), name="  ")
    assert refused.value.param == "name"


def test_models_of_a_key_are_served_ones() -> None:
    offered, withdrawn = make_model().name, make_model()
    serving.disable_model(model=withdrawn)
    hidden = withdrawn.name
    project = make_project()
    assert issue(project, allowed_models=[offered, hidden]).allowed_models == sorted(
        [offered, hidden]
    )
    with pytest.raises(InvalidRequest, match="no served model 'nothing'"):
        issue(project, allowed_models=["nothing"])
    # To a tenant a model that is not offered is one that there is not.
    with acting_as(program(project)):
        issue(project, allowed_models=[offered])
        with pytest.raises(InvalidRequest, match=f"no served model '{hidden}'"):
            issue(project, allowed_models=[hidden])


def test_a_model_that_has_gone_may_stay_named() -> None:
    model, project = make_model(), make_project()
    key = issue(project, allowed_models=[model.name])
    ApiKey.objects.filter(pk=key.pk).update(allowed_models=[model.name, "gone"])
    changed = services.update_key(api_key=key, allowed_models=["gone"])
    assert changed.allowed_models == ["gone"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["10.0.0.0/8"], ["10.0.0.0/8"]),
        (["203.0.113.7"], ["203.0.113.7/32"]),
        (["2001:DB8:0::/32", "10.0.0.0/8"], ["10.0.0.0/8", "2001:db8::/32"]),
        (["::ffff:10.0.0.0/104", "10.0.0.0/8"], ["10.0.0.0/8"]),
        ([" 10.0.0.0/8 ", "0.0.0.0/0"], ["0.0.0.0/0", "10.0.0.0/8"]),
    ],
)
def test_networks_have_one_spelling(given: list[str], kept: list[str]) -> None:
    assert issue(make_project(), allowed_networks=given).allowed_networks == kept


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("10.1.2.3/8", "write 10.0.0.0/8"),
        ("2001:db8::1/32", "write 2001:db8::/32"),
        ("everywhere", "is no network"),
        ("10.0.0.0/33", "is no network"),
        ("fe80::1%eth0", "names an interface"),
        ("", "is no network"),
    ],
)
def test_what_is_no_network_is_refused_with_the_remedy(network: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        issue(make_project(), allowed_networks=[network])
    assert refused.value.param == "allowed_networks"


def test_a_project_out_of_reach_is_one_that_there_is_not() -> None:
    tenant = make_tenant()
    inside, outside = make_project(tenant=tenant), make_project(tenant=tenant)
    developer = make_member(tenant=tenant, role="developer", projects=[inside])
    with acting_as(by(developer)):
        issue(inside, member=developer)
        with pytest.raises(InvalidRequest, match=f"no project {outside.pk}"):
            issue(outside, member=developer)
    with acting_as(program(make_project())), pytest.raises(InvalidRequest):
        issue(inside)


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_managers_issue_keys_of_services_and_their_own(role: str) -> None:
    project = make_project()
    manager = make_member(tenant=project.tenant, role=role)
    with acting_as(by(manager)):
        assert issue(project).member is None
        assert issue(project, member=manager).member == manager


def test_developers_issue_their_own_keys_alone() -> None:
    project = make_project()
    developer, other = (
        make_member(tenant=project.tenant, role="developer", projects=[project])
        for _ in range(2)
    )
    with acting_as(by(developer)):
        assert issue(project, member=developer).member == developer
        for member in (None, other):
            with pytest.raises(PermissionDenied) as refused:
                issue(project, member=member)
            assert refused.value.param == "member"


def test_a_members_key_holds_no_more_than_the_role() -> None:
    project = make_project()
    billing = make_member(tenant=project.tenant, role="billing")
    with pytest.raises(InvalidRequest, match="who is billing"):
        issue(project, member=billing, scopes=["generate"])


@pytest.mark.parametrize("gone", ["removed", "foreign", "not in the project"])
def test_a_member_who_is_not_there_gets_no_key(gone: str) -> None:
    project = make_project()
    member = make_member(
        tenant=None if gone == "foreign" else project.tenant, role="developer"
    )
    if gone == "removed":
        Member.objects.filter(pk=member.pk).update(removed_at=timezone.now())
    with pytest.raises(InvalidRequest) as refused:
        issue(project, member=member)
    assert refused.value.param == "member"


def test_what_is_added_to_a_key_must_be_held_what_it_has_may_stay() -> None:
    project = make_project()
    key = issue(project, scopes=["generate"])
    with acting_as(program(project, Scope.KEYS_WRITE, Scope.EMBED)):
        widened = services.update_key(api_key=key, scopes=["generate", "embed"])
        assert widened.scopes == ["embed", "generate"]
        with pytest.raises(PermissionDenied):
            services.update_key(api_key=key, scopes=["generate", "models"])
        assert services.update_key(api_key=key, scopes=["embed"]).scopes == ["embed"]


def test_developers_change_their_own_keys_and_see_those_of_their_projects() -> None:
    tenant = make_tenant()
    inside, outside = make_project(tenant=tenant), make_project(tenant=tenant)
    developer = make_member(tenant=tenant, role="developer", projects=[inside])
    own, service = issue(inside, member=developer), issue(inside)
    hidden = issue(outside)
    with acting_as(by(developer)):
        assert set(selectors.api_keys(now=timezone.now())) == {own, service}
        assert services.update_key(api_key=own, name="mine").name == "mine"
        for act in (_rename, _disable, _revoke, _rotate):
            with pytest.raises(PermissionDenied, match="not yours"):
                act(service)
            with pytest.raises(NotFound):
                act(hidden)
        with pytest.raises(NotFound):
            selectors.api_key(hidden.pk)


def _rename(key: ApiKey) -> Any:
    return services.update_key(api_key=key, name="other")


def _disable(key: ApiKey) -> Any:
    return services.disable_key(api_key=key, now=timezone.now())


def _revoke(key: ApiKey) -> Any:
    return services.revoke_key(api_key=key, now=timezone.now())


def _rotate(key: ApiKey) -> Any:
    return services.rotate_key(api_key=key, now=timezone.now())


def test_a_foreign_key_is_one_that_there_is_not() -> None:
    key = make_key().row
    with acting_as(program(make_project())):
        for act in (_rename, _disable, _revoke, _rotate):
            with pytest.raises(NotFound, match=f"no API key {key.pk}"):
                act(key)


def test_disabling_and_enabling_are_idempotent() -> None:
    key, now = make_key().row, timezone.now()
    for instant in (now, now + HOUR):
        disabled = services.disable_key(api_key=key, now=instant)
    assert disabled.disabled_at == now
    assert disabled.state_at(now) is KeyState.DISABLED
    assert list(selectors.api_keys(now=now, active=True)) == []
    for _ in range(2):
        assert services.enable_key(api_key=key).disabled_at is None
    services.revoke_key(api_key=key, now=now)
    for act in (_disable, lambda row: services.enable_key(api_key=row)):
        with pytest.raises(Conflict):
            act(key)


def test_a_rotated_key_is_replaced_by_one_of_the_same_properties() -> None:
    project, model, now = make_project(), make_model(), timezone.now()
    member = make_member(tenant=project.tenant, role="developer", projects=[project])
    old = issue(
        project,
        member=member,
        scopes=["generate"],
        allowed_models=[model.name],
        allowed_networks=["10.0.0.0/8"],
        expires_at=now + 100 * HOUR,
    )
    issued = services.rotate_key(api_key=old, now=now)
    new = issued.row
    assert new.replaces == old
    assert new.digest != old.digest
    for name in ("tenant", "project", "member", "name", "scopes", "expires_at"):
        assert getattr(new, name) == getattr(old, name), name
    for name in ("allowed_models", "allowed_networks"):
        assert getattr(new, name) == getattr(old, name), name
    old.refresh_from_db()
    assert old.expires_at == now + 24 * HOUR


def test_an_overlap_of_nothing_ends_the_old_key_at_once() -> None:
    key, now = make_key().row, timezone.now()
    services.rotate_key(api_key=key, now=now, overlap=dt.timedelta(0))
    key.refresh_from_db()
    assert key.state_at(now) is KeyState.EXPIRED


def test_an_overlap_makes_no_key_last_longer() -> None:
    now = timezone.now()
    key = issue(make_project(), expires_at=now + HOUR)
    new = services.rotate_key(api_key=key, now=now).row
    key.refresh_from_db()
    assert key.expires_at == new.expires_at == now + HOUR


@pytest.mark.parametrize("hours", [-1, 7 * 24 + 1])
def test_an_overlap_is_at_most_seven_days(hours: int) -> None:
    key = make_key().row
    with pytest.raises(InvalidRequest, match="7 days"):
        services.rotate_key(api_key=key, now=timezone.now(), overlap=hours * HOUR)
    assert ApiKey.objects.count() == 1


def test_a_key_is_replaced_once_and_does_not_come_back() -> None:
    key, now = make_key().row, timezone.now()
    new = services.rotate_key(api_key=key, now=now).row
    with pytest.raises(Conflict, match=f"replaced by key {new.pk}"):
        services.rotate_key(api_key=key, now=now)
    for later in (None, now + 48 * HOUR):
        with pytest.raises(Conflict, match=f"replaced by key {new.pk}"):
            services.update_key(api_key=key, expires_at=later)
    services.update_key(api_key=key, expires_at=now + HOUR)


def test_a_key_that_opens_nothing_is_not_rotated() -> None:
    now = timezone.now()
    disabled, revoked, archived = (make_key().row for _ in range(3))
    services.disable_key(api_key=disabled, now=now)
    services.revoke_key(api_key=revoked, now=now)
    services.archive_project(project=archived.project, now=now)
    for key in (disabled, revoked, archived):
        with pytest.raises(Conflict, match="cannot be rotated"):
            services.rotate_key(api_key=key, now=now)


def test_a_rotation_shows_nobody_more_than_it_holds() -> None:
    project = make_project()
    developer = make_member(tenant=project.tenant, role="developer", projects=[project])
    owner = make_member(tenant=project.tenant, role="owner")
    own, service = issue(project, member=developer), issue(project)
    with acting_as(by(owner)), pytest.raises(PermissionDenied, match="holder"):
        _rotate(own)
    with (
        acting_as(program(project, Scope.KEYS_WRITE, Scope.EMBED)),
        pytest.raises(PermissionDenied, match="do not hold"),
    ):
        _rotate(service)
    with acting_as(by(developer)):
        assert _rotate(own).row.member == developer


def test_states_are_said_the_same_by_row_and_by_query() -> None:
    now = timezone.now()
    made = {state: make_key().row for state in KeyState}
    services.disable_key(api_key=made[KeyState.DISABLED], now=now)
    services.revoke_key(api_key=made[KeyState.REVOKED], now=now)
    services.archive_project(project=made[KeyState.ARCHIVED].project, now=now)
    services.suspend_tenant(tenant=made[KeyState.SUSPENDED].tenant)
    ApiKey.objects.filter(pk=made[KeyState.EXPIRED].pk).update(expires_at=now)
    # What is for good comes first.
    ApiKey.objects.filter(pk=made[KeyState.REVOKED].pk).update(disabled_at=now)
    for state, row in made.items():
        found = list(selectors.api_keys(now=now, state=state))
        assert found == [row]
        assert found[0].state_at(now) is state


def test_lists_are_narrowed_by_use_name_model_and_expiry() -> None:
    now = timezone.now()
    project, model = make_project(), make_model().name
    member = make_member(tenant=project.tenant, role="owner")
    used = issue(project, name="Production", allowed_models=[model])
    own = issue(project, name="laptop", member=member, expires_at=now + HOUR)
    old = issue(project, name="old", allowed_models=[model])
    ApiKey.objects.filter(pk=old.pk).update(created_at=now - 48 * HOUR)
    KeyUse.objects.create(
        api_key=used, tenant=project.tenant, last_used_at=now - HOUR, model=model
    )

    def found(**filters: Any) -> set[ApiKey]:
        return set(selectors.api_keys(now=now, **filters))

    assert found(name="PROD") == {used}
    assert found(member_id=member.pk) == {own}
    assert found(shown=own.shown[:9]) == {own}
    assert found(model=model) == {used, own, old}
    assert found(model="other") == {own}
    assert found(expires_before=now + 2 * HOUR) == {own}
    assert found(unused_since=now - 2 * HOUR) == {old}
    assert found(unused_since=now) == {used, old}
    [row] = selectors.api_keys(now=now, name="Production")
    assert row.last_use
    assert row.last_use.model == model
