"""A token issued by a token neither outlives it nor opens from elsewhere."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from kit.acting import Actor, ActorKind, acting_as
from kit.errors import PermissionDenied
from kit.scopes import Scope
from tenants import services
from tenants.models import ManagementToken
from tenants.roles import scopes_of
from tests.factories.tenants import make_member, make_tenant, make_token
from tests.tenants.test_keys import by

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = timezone.now()
DAY = dt.timedelta(days=1)
SOON = NOW + 10 * DAY
NETWORKS = ["10.0.0.0/8", "2001:db8::/32"]


def calling(row: ManagementToken) -> Actor:
    """Return the actor that calls by a token."""
    is_operators = row.tenant_id is None
    return Actor(
        ActorKind.OPERATOR_TOKEN if is_operators else ActorKind.TENANT_TOKEN,
        row.pk,
        tenant_id=row.tenant_id,
        member_id=row.member_id,
    )


def bounded(**given: Any) -> ManagementToken:
    """Make a tenant's token that ends soon and opens from two networks alone."""
    if not {"tenant", "member"} & set(given):
        given["tenant"] = make_tenant()
    bounds: dict[str, Any] = {"expires_at": SOON, "allowed_networks": NETWORKS}
    return make_token(**(bounds | given)).row


def issue(caller: ManagementToken, **given: Any) -> ManagementToken:
    """Issue a token of the same holder, on behalf of another token."""
    values: dict[str, Any] = {"name": "token", "scopes": ["usage:read"], "now": NOW}
    holder = {"tenant": caller.tenant, "member": caller.member}
    with acting_as(calling(caller)):
        return services.issue_token(**(values | holder | given)).row


@pytest.mark.parametrize("kind", ["operator", "service", "personal"])
def test_bounds_that_are_left_out_are_those_of_the_issuing_token(kind: str) -> None:
    holders: dict[str, dict[str, Any]] = {
        "operator": {"tenant": None},
        "service": {"tenant": make_tenant()},
        "personal": {"member": make_member()},
    }
    row = issue(bounded(**holders[kind]))
    assert row.kind == kind
    assert (row.expires_at, row.allowed_networks) == (SOON, NETWORKS)


def test_a_personal_token_still_ends_by_itself_when_that_is_earlier() -> None:
    caller = bounded(member=make_member(), expires_at=NOW + 200 * DAY)
    assert issue(caller).expires_at == NOW + 90 * DAY
    assert issue(caller, expires_at=NOW + 200 * DAY).expires_at == NOW + 200 * DAY


@pytest.mark.parametrize(
    "expires_at", [None, SOON + dt.timedelta(microseconds=1)], ids=["never", "later"]
)
def test_it_cannot_outlive_the_issuing_token(expires_at: dt.datetime | None) -> None:
    caller = bounded()
    with pytest.raises(PermissionDenied) as refused:
        issue(caller, expires_at=expires_at)
    assert (refused.value.param, refused.value.code) == (
        "expires_at",
        "expiry_beyond_yours",
    )
    assert SOON.isoformat() in refused.value.message
    assert issue(caller, expires_at=SOON).expires_at == SOON


@pytest.mark.parametrize(
    "networks",
    [[], ["192.0.2.0/24"], ["10.0.0.0/7"], ["10.1.0.0/16", "::/0"], ["0.0.0.0/0"]],
)
def test_it_opens_from_nowhere_else(networks: list[str]) -> None:
    with pytest.raises(PermissionDenied) as refused:
        issue(bounded(), allowed_networks=networks)
    assert (refused.value.param, refused.value.code) == (
        "allowed_networks",
        "networks_beyond_yours",
    )


@pytest.mark.parametrize(
    "networks", [["10.1.0.0/16"], NETWORKS, ["10.0.0.1/32", "2001:db8:1::/48"]]
)
def test_it_opens_from_a_part_of_the_networks(networks: list[str]) -> None:
    assert issue(bounded(), allowed_networks=networks).allowed_networks == networks


def test_a_token_without_bounds_and_a_person_set_any() -> None:
    free = bounded(expires_at=None, allowed_networks=[])
    for row in (issue(free), issue(free, expires_at=None, allowed_networks=[])):
        assert (row.expires_at, row.allowed_networks) == (None, [])
    owner = make_member()
    with acting_as(by(owner)):
        issued = services.issue_token(
            name="token", scopes=["usage:read"], now=NOW, tenant=owner.tenant
        )
    assert (issued.row.expires_at, issued.row.allowed_networks) == (None, [])


def test_bounds_are_those_of_now() -> None:
    caller = bounded(expires_at=None, allowed_networks=[])
    services.update_token(token=caller, now=NOW, allowed_networks=["10.0.0.0/8"])
    with pytest.raises(PermissionDenied):
        issue(caller, allowed_networks=[])


def test_who_calls_by_a_token_that_is_not_there_issues_none() -> None:
    caller = bounded()
    with (
        acting_as(Actor(ActorKind.TENANT_TOKEN, 0, tenant_id=caller.tenant_id)),
        pytest.raises(PermissionDenied, match="no such token"),
    ):
        services.issue_token(
            name="n", scopes=["usage:read"], now=NOW, tenant=caller.tenant
        )


@pytest.mark.parametrize("other", [{"expires_at": None}, {"allowed_networks": []}])
def test_a_rotation_shows_no_token_that_reaches_further(other: dict[str, Any]) -> None:
    caller = bounded()
    wider = bounded(tenant=caller.tenant, **other)
    with acting_as(calling(caller)):
        with pytest.raises(PermissionDenied):
            services.rotate_token(token=wider, now=NOW)
        fresh = services.rotate_token(token=caller, now=NOW).row
    assert (fresh.expires_at, fresh.allowed_networks) == (SOON, NETWORKS)


def test_a_token_widens_neither_itself_nor_others_beyond_it() -> None:
    caller = bounded()
    shorter = bounded(tenant=caller.tenant, expires_at=NOW + DAY)
    wide = bounded(tenant=caller.tenant, expires_at=None, allowed_networks=[])
    with acting_as(calling(caller)):
        for row in (caller, shorter):
            with pytest.raises(PermissionDenied):
                services.update_token(token=row, now=NOW, expires_at=SOON + DAY)
            with pytest.raises(PermissionDenied):
                services.update_token(token=row, now=NOW, allowed_networks=[])
        # Within its own bounds it may, and to narrow it may always.
        changed = services.update_token(token=shorter, now=NOW, expires_at=SOON)
        assert changed.expires_at == SOON
        services.update_token(token=wide, now=NOW, allowed_networks=["192.0.2.0/24"])
        services.update_token(token=wide, now=NOW, allowed_networks=["192.0.2.7/32"])
        services.update_token(token=wide, now=NOW, expires_at=SOON + DAY)
        services.update_token(token=wide, now=NOW, name="n", expires_at=SOON + DAY)


@pytest.mark.parametrize(
    ("given", "change", "param"),
    [
        ({"expires_at": NOW - DAY}, {"expires_at": SOON}, "expires_at"),
        ({"expires_at": NOW + DAY}, {"expires_at": None}, "expires_at"),
        (
            {"allowed_networks": NETWORKS},
            {"allowed_networks": []},
            "allowed_networks",
        ),
        (
            {"allowed_networks": NETWORKS},
            {"allowed_networks": [*NETWORKS, "192.0.2.0/24"]},
            "allowed_networks",
        ),
    ],
    ids=["revived", "for ever", "from everywhere", "from elsewhere"],
)
def test_a_stronger_token_is_not_opened_again_by_a_weaker_one(
    given: dict[str, Any], change: dict[str, Any], param: str
) -> None:
    """Whoever has the weaker one may have kept the text of the other."""
    tenant = make_tenant()
    strong = make_token(
        tenant=tenant, scopes=[Scope.TOKENS_WRITE, Scope.TENANT_WRITE], **given
    ).row
    weak = replace(
        calling(make_token(tenant=tenant).row), scopes=frozenset({Scope.TOKENS_WRITE})
    )
    with acting_as(weak):
        with pytest.raises(PermissionDenied, match="tenant:write") as refused:
            services.update_token(token=strong, now=NOW, **change)
        services.update_token(token=strong, now=NOW, name="another")
    assert (refused.value.param, refused.value.code) == (param, "scope_beyond_yours")
    able = replace(weak, scopes=weak.scopes | {Scope.TENANT_WRITE})
    with acting_as(able):
        services.update_token(token=strong, now=NOW, **change)


def test_a_weaker_token_still_narrows_a_stronger_one() -> None:
    tenant = make_tenant()
    strong = bounded(tenant=tenant)
    weak = replace(
        calling(make_token(tenant=tenant).row), scopes=frozenset({Scope.TOKENS_WRITE})
    )
    with acting_as(weak):
        row = services.update_token(
            token=strong,
            now=NOW,
            expires_at=NOW + DAY,
            allowed_networks=["10.1.0.0/16"],
        )
    assert (row.expires_at, row.allowed_networks) == (NOW + DAY, ["10.1.0.0/16"])


def test_of_a_members_token_what_the_role_took_is_not_asked_for() -> None:
    member = make_member(role="viewer")
    row = make_token(
        member=member, scopes=[Scope.TENANT_WRITE, Scope.TENANT_READ], expires_at=SOON
    ).row
    actor = replace(calling(row), kind=ActorKind.MEMBER, id=member.pk)
    with acting_as(replace(actor, scopes=scopes_of("viewer"))):
        later = services.update_token(token=row, now=NOW, expires_at=SOON + DAY)
    assert later.expires_at == SOON + DAY
