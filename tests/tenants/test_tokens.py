"""Management tokens: whose they are, what may be given, what a rotation hands on."""

import datetime as dt
import logging
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from kit import api_keys
from kit.acting import Actor, ActorKind, acting_as
from kit.errors import Conflict, InvalidRequest, NotFound, PermissionDenied
from kit.networks import address_of
from kit.scopes import EVERY, READS, TENANTS, Scope
from tenants import selectors, services
from tenants.models import ManagementToken, Member, TokenKind, TokenState
from tests.factories.tenants import make_member, make_project, make_tenant, make_token
from tests.tenants.test_keys import by

pytestmark = pytest.mark.usefixtures("operator_db")

DAY = dt.timedelta(days=1)
OPERATOR_OF_TOKENS = Actor(
    ActorKind.OPERATOR, 1, scopes=frozenset({Scope.TOKENS_WRITE})
)


def issue(**given: Any) -> services.IssuedToken:
    """Issue a token that reads usage, unless something else is asked for."""
    values: dict[str, Any] = {
        "name": "token",
        "scopes": ["usage:read"],
        "now": timezone.now(),
    }
    return services.issue_token(**(values | given))


def personal(member: Member, **given: Any) -> services.IssuedToken:
    """Issue a member's own token."""
    return issue(tenant=member.tenant, member=member, **given)


def opens(text: str, *, address: str = "192.0.2.7") -> Actor | None:
    """Return who calls with a token from an address."""
    holder = selectors.holder_of_token(
        text, address=address_of(address), now=timezone.now()
    )
    return holder.actor if holder else None


def test_each_kind_has_its_prefix_and_opens_as_what_it_is() -> None:
    member = make_member(role="viewer")
    operators, service = issue(), issue(tenant=member.tenant)
    own = personal(member)
    assert operators.token.startswith(api_keys.OPERATOR_TOKEN_PREFIX)
    assert operators.row.kind is TokenKind.OPERATOR
    for issued, kind in ((service, TokenKind.SERVICE), (own, TokenKind.PERSONAL)):
        assert issued.token.startswith(api_keys.TENANT_TOKEN_PREFIX)
        assert issued.row.kind is kind
        actor = opens(issued.token)
        assert actor
        assert actor.tenant_id == member.tenant_id
    actor = opens(operators.token)
    assert actor
    assert actor.is_operator
    assert actor.scopes == {Scope.USAGE_READ}


def test_a_token_is_stored_as_its_digest_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    issued = issue()
    row = ManagementToken.objects.get(pk=issued.row.pk)
    secret = settings.MANAGEMENT_TOKEN_SECRET
    assert row.digest == api_keys.digest(issued.token, secret)
    assert row.shown == api_keys.shown(issued.token)
    assert issued.token not in repr(issued) + caplog.text
    assert issued.token not in str(ManagementToken.objects.values())


def test_nobody_gives_more_than_it_holds() -> None:
    with acting_as(OPERATOR_OF_TOKENS):
        with pytest.raises(PermissionDenied) as refused:
            issue(scopes=["tokens:write", "operate:write"])
        assert refused.value.code == "scope_beyond_yours"
        issue(scopes=["tokens:write"])


@pytest.mark.parametrize("scope", ["operate:read", "operate:write"])
def test_a_tenants_token_holds_nothing_of_the_installation(scope: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        issue(tenant=make_tenant(), scopes=[scope])
    assert refused.value.param == "scopes"


def test_tenants_issue_no_operators_tokens_and_none_of_other_tenants() -> None:
    owner = make_member(role="owner")
    with acting_as(by(owner)):
        with pytest.raises(PermissionDenied) as refused:
            issue()
        assert refused.value.code == "operators_only"
        with pytest.raises(InvalidRequest, match="no tenant"):
            issue(tenant=make_tenant())


@pytest.mark.parametrize("role", ["developer", "billing", "viewer"])
def test_members_issue_their_own_tokens_within_their_role(role: str) -> None:
    member = make_member(role=role)
    other = make_member(tenant=member.tenant, role=role)
    with acting_as(by(member)):
        assert personal(member).row.member == member
        for holder in (None, other):
            with pytest.raises(PermissionDenied):
                issue(tenant=member.tenant, member=holder)
        with pytest.raises(PermissionDenied):
            personal(member, scopes=["members:write"])
    # Not even an operator makes a token of more than the role.
    with pytest.raises(InvalidRequest, match=f"who is {role}"):
        personal(member, scopes=["members:write"])


def test_a_token_follows_its_members_role() -> None:
    member = make_member(role="admin")
    issued = personal(member, scopes=["usage:read", "keys:write"])
    Member.objects.filter(pk=member.pk).update(role="viewer")
    actor = opens(issued.token)
    assert actor
    assert actor.scopes == {Scope.USAGE_READ}
    Member.objects.filter(pk=member.pk).update(removed_at=timezone.now())
    assert opens(issued.token) is None


def test_the_token_of_a_deactivated_account_opens_nothing() -> None:
    member = make_member()
    issued = personal(member)
    assert opens(issued.token)
    member.user.is_active = False
    member.user.save()
    assert opens(issued.token) is None


def test_a_suspended_tenants_tokens_read_and_write_nothing() -> None:
    tenant = make_tenant()
    issued = issue(tenant=tenant, scopes=sorted(TENANTS))
    services.suspend_tenant(tenant=tenant)
    actor = opens(issued.token)
    assert actor
    assert actor.is_suspended
    assert actor.scopes == READS
    assert {Scope.USAGE_READ, Scope.BILLING_READ} <= actor.scopes
    services.restore_tenant(tenant=tenant)
    actor = opens(issued.token)
    assert actor
    assert actor.scopes == TENANTS


def test_a_persons_token_expires() -> None:
    member, now = make_member(), timezone.now()
    assert personal(member, now=now).row.expires_at == now + 90 * DAY
    year = personal(member, now=now, expires_at=now + 365 * DAY)
    assert year.row.expires_at == now + 365 * DAY
    for expires_at in (None, now + 366 * DAY):
        with pytest.raises(InvalidRequest, match="at most 365 days"):
            personal(member, now=now, expires_at=expires_at)
    row = personal(member, now=now).row
    with pytest.raises(InvalidRequest, match="at most 365 days"):
        services.update_token(token=row, now=now, expires_at=None)
    with pytest.raises(InvalidRequest, match="in the future"):
        issue(expires_at=now - DAY)
    assert issue().row.expires_at is None


def test_a_token_opens_from_its_networks_alone() -> None:
    issued = issue(allowed_networks=["192.0.2.0/24"])
    assert issued.row.allowed_networks == ["192.0.2.0/24"]
    assert opens(issued.token)
    assert opens(issued.token, address="198.51.100.1") is None
    assert opens(issued.token, address="") is None


def test_scopes_are_taken_away_and_not_added() -> None:
    row = issue(scopes=["usage:read", "keys:read"]).row
    now = timezone.now()
    changed = services.update_token(token=row, now=now, name="n", scopes=["keys:read"])
    assert (changed.name, changed.scopes) == ("n", ["keys:read"])
    with pytest.raises(InvalidRequest, match="only be taken away"):
        services.update_token(token=row, now=now, scopes=["keys:read", "usage:read"])


def test_a_rotated_token_is_replaced_by_one_of_the_same_properties() -> None:
    now = timezone.now()
    old = issue(tenant=make_tenant(), allowed_networks=["10.0.0.0/8"]).row
    issued = services.rotate_token(token=old, now=now)
    new = issued.row
    assert issued.token.startswith(api_keys.TENANT_TOKEN_PREFIX)
    assert (new.replaces, new.tenant, new.scopes) == (old, old.tenant, old.scopes)
    assert new.allowed_networks == old.allowed_networks
    old.refresh_from_db()
    assert old.expires_at == now + DAY
    with pytest.raises(Conflict, match=f"replaced by token {new.pk}"):
        services.rotate_token(token=old, now=now)
    with pytest.raises(Conflict, match=f"replaced by token {new.pk}"):
        services.update_token(token=old, now=now, expires_at=None)
    services.rotate_token(token=new, now=now, overlap=dt.timedelta(0))
    new.refresh_from_db()
    assert new.state_at(now) is TokenState.EXPIRED
    assert opens(issued.token) is None


def test_a_rotation_shows_nobody_more_than_it_holds() -> None:
    root = issue(scopes=sorted(EVERY)).row
    with acting_as(OPERATOR_OF_TOKENS), pytest.raises(PermissionDenied):
        services.rotate_token(token=root, now=timezone.now())
    member = make_member(role="viewer")
    owner = make_member(tenant=member.tenant, role="owner")
    own = personal(member).row
    with acting_as(by(owner)), pytest.raises(PermissionDenied, match="holder"):
        services.rotate_token(token=own, now=timezone.now())


def test_managers_see_all_of_the_tenant_and_others_their_own() -> None:
    now = timezone.now()
    owner = make_member(role="owner")
    project = make_project(tenant=owner.tenant)
    developer = make_member(tenant=owner.tenant, role="developer", projects=[project])
    issue(), issue(tenant=make_tenant())
    service = issue(tenant=owner.tenant).row
    theirs, own = personal(owner).row, personal(developer).row
    with acting_as(by(owner)):
        assert set(selectors.tokens(now=now)) == {service, theirs, own}
        assert selectors.token(own.pk) == own
    with acting_as(by(developer)):
        assert list(selectors.tokens(now=now)) == [own]
        with pytest.raises(NotFound):
            selectors.token(service.pk)
        with pytest.raises(NotFound):
            services.revoke_token(token=service, now=now)
        services.revoke_token(token=own, now=now)
    assert selectors.tokens(now=now).count() == 5


def test_revoking_is_for_good_and_keeps_the_first_instant() -> None:
    issued, now = issue(), timezone.now()
    for instant in (now, now + DAY):
        row = services.revoke_token(token=issued.row, now=instant)
    assert row.revoked_at == now
    assert opens(issued.token) is None
    with pytest.raises(Conflict):
        services.update_token(token=row, now=now, name="again")
    with pytest.raises(Conflict):
        services.rotate_token(token=row, now=now)


def test_lists_are_narrowed_by_what_is_given() -> None:
    now = timezone.now()
    member = make_member()
    operators = issue(name="Deploy").row
    service = issue(tenant=member.tenant, expires_at=now + DAY).row
    own, revoked = personal(member).row, make_token().row
    services.revoke_token(token=revoked, now=now)

    def found(**filters: Any) -> set[ManagementToken]:
        return set(selectors.tokens(now=now, **filters))

    assert found(kind="operator") == {operators, revoked}
    assert found(kind="service") == {service}
    assert found(kind="personal", member_id=member.pk) == {own}
    assert found(tenant_id=member.tenant_id) == {service, own}
    assert found(active=False) == {revoked}
    assert found(name="deploy") == {operators}
    assert found(shown=own.shown[:10]) == {own}
    assert found(expires_before=now + 2 * DAY) == {service}
    assert found(unused_since=now - DAY) == set()
    assert found(unused_since=now + DAY) == {operators, service, own, revoked}
