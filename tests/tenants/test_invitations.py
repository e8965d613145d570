"""Invitations: who may offer what, and that a link opens one place once."""

import datetime as dt
from threading import Thread

import pytest
from django.db import connections
from django.utils import timezone

from kit.acting import Actor, ActorKind, acting_as, current
from kit.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PlatformError,
    RateLimited,
)
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from kit.scopes import TENANTS
from tenants import invitation_links as links
from tenants import services
from tenants.models import Invitation, Member, ProjectMember, Role, Tenant
from tenants.services import invitations
from tenants.services.invitations import MAIL_GAP, MAILS_IN, VALID_FOR
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.members import acting_for, make_user
from tests.factories.tenants import make_member, make_project, make_tenant

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
LATER = NOW + MAIL_GAP
SECOND = dt.timedelta(seconds=1)
ADA = "ada@example.com"


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide a tenant of the test's own."""
    return make_tenant()


def invite(
    tenant: Tenant, *, email: str = ADA, role: str = Role.VIEWER, now: dt.datetime = NOW
) -> Invitation:
    """Invite somebody."""
    return services.invite(tenant=tenant, email=email, role=role, now=now)


def accept(
    row: Invitation, *, address: str = ADA, now: dt.datetime = NOW, name: str = ""
) -> Member:
    """Accept by the link, with an account of this address."""
    user = make_user(email=address, name=name)
    text = links.text_of(row.nonce)
    return services.accept_invitation(text=text, user=user, verified=[address], now=now)


def test_an_invitation_makes_a_member_of_who_owns_the_address(tenant: Tenant) -> None:
    project = make_project(tenant=tenant)
    row = services.invite(
        tenant=tenant,
        email=" Ada@Example.com ",
        role=Role.DEVELOPER,
        project_ids=[project.pk],
        now=NOW,
    )
    member = accept(row, address="ADA@example.com", name="Ada Lovelace")
    assert member.tenant == tenant
    assert (member.email, member.name) == (ADA, "Ada Lovelace")
    assert member.role == Role.DEVELOPER
    places = ProjectMember.objects.filter(member=member)
    assert [place.project for place in places] == [project]
    row.refresh_from_db()
    assert row.accepted_at == NOW


def test_a_link_works_once(tenant: Tenant) -> None:
    row = invite(tenant)
    accept(row)
    with pytest.raises(NotFound):
        accept(row)


def test_every_link_that_opens_nothing_is_refused_in_the_same_words(
    tenant: Tenant,
) -> None:
    taken, revoked, expired = (invite(tenant, email=f"{n}@example.com") for n in "abc")
    replaced = invite(tenant)
    accept(taken, address="a@example.com")
    services.revoke_invitation(invitation=revoked, now=NOW)
    old = links.text_of(replaced.nonce)
    services.resend_invitation(invitation=replaced, now=LATER)
    unknown = links.text_of(links.new_nonce())
    texts = [links.text_of(row.nonce) for row in (taken, revoked, expired)]
    said = set()
    for text in [*texts, old, unknown, "tgi_x", "", "\0", old.replace("tgi_", "tgt_")]:
        with pytest.raises(NotFound) as refused:
            services.open_invitation(text=text, now=NOW + VALID_FOR)
        said.add((refused.value.message, refused.value.code))
    assert len(said) == 1


def test_a_link_ends_after_its_days(tenant: Tenant) -> None:
    text = links.text_of(invite(tenant).nonce)
    services.open_invitation(text=text, now=NOW + VALID_FOR - SECOND)
    with pytest.raises(NotFound):
        services.open_invitation(text=text, now=NOW + VALID_FOR)


def test_a_link_is_for_the_invited_address_alone(tenant: Tenant) -> None:
    row = invite(tenant, email="kim@example.com")
    # The last is written with a Kelvin sign, whose lower case is a k.
    for other in ("eve@example.com", "kim@example.com.evil", "\u212aim@example.com"):
        with pytest.raises(PermissionDenied) as refused:
            accept(row, address=other)
        assert refused.value.code == "other_address"
    assert not Member.objects.filter(tenant=tenant).exists()
    with pytest.raises(PermissionDenied):
        services.accept_invitation(
            text=links.text_of(row.nonce), user=make_user(), verified=[], now=NOW
        )


def test_who_is_a_member_already_does_not_become_one_twice(tenant: Tenant) -> None:
    member = make_member(tenant=tenant, email="old@example.com")
    row = invite(tenant)
    with pytest.raises(Conflict):
        services.accept_invitation(
            text=links.text_of(row.nonce), user=member.user, verified=[ADA], now=NOW
        )


def test_a_resent_link_opens_and_the_old_one_does_not(tenant: Tenant) -> None:
    row = invite(tenant)
    old = links.text_of(row.nonce)
    much_later = NOW + 2 * VALID_FOR
    again = services.resend_invitation(invitation=row, now=much_later)
    new = links.text_of(again.nonce)
    assert services.open_invitation(text=new, now=much_later).pk == row.pk
    with pytest.raises(NotFound):
        services.open_invitation(text=old, now=NOW)


def test_what_is_taken_or_revoked_is_not_sent_again(tenant: Tenant) -> None:
    taken, revoked = invite(tenant), invite(tenant, email="b@example.com")
    accept(taken)
    for _ in range(2):
        services.revoke_invitation(invitation=revoked, now=NOW)
    for row in (taken, revoked):
        with pytest.raises(Conflict):
            services.resend_invitation(invitation=row, now=LATER)
    with pytest.raises(Conflict):
        services.revoke_invitation(invitation=taken, now=NOW)
    revoked.refresh_from_db()
    assert revoked.revoked_at == NOW


def test_an_address_has_one_open_invitation(tenant: Tenant) -> None:
    invite(tenant)
    with pytest.raises(Conflict) as refused:
        invite(tenant, email="ADA@example.com", now=LATER)
    assert refused.value.param == "email"
    # One that ran out makes way.
    invite(tenant, now=NOW + VALID_FOR)
    assert Invitation.objects.filter(tenant=tenant, revoked_at=None).count() == 1
    invite(make_tenant())


def test_a_members_address_is_not_invited_again(tenant: Tenant) -> None:
    member = make_member(tenant=tenant, email="Ada@Example.com", role=Role.VIEWER)
    with pytest.raises(Conflict):
        invite(tenant)
    services.remove_member(member=member, now=NOW)
    invite(tenant)


def test_nobody_is_flooded_with_mails(tenant: Tenant) -> None:
    row = invite(tenant)
    soon = LATER - SECOND
    with pytest.raises(RateLimited) as refused:
        services.resend_invitation(invitation=row, now=soon)
    assert refused.value.headers == {"Retry-After": "1"}
    services.revoke_invitation(invitation=row, now=soon)
    with pytest.raises(RateLimited):
        invite(tenant, now=soon)
    invite(tenant, now=LATER)


def test_a_tenant_writes_to_so_many_a_day_whatever_it_takes_back(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations, "MAILS_MAX", 3)
    now = timezone.now()
    kept = invite(tenant, now=now)
    taken_back = invite(tenant, email="b@example.com", now=now)
    services.revoke_invitation(invitation=taken_back, now=now)
    services.resend_invitation(invitation=kept, now=now + MAIL_GAP)
    later = now + 2 * MAIL_GAP
    with pytest.raises(RateLimited, match="3 invitations within a day"):
        invite(tenant, email="c@example.com", now=later)
    with pytest.raises(RateLimited, match="3 invitations within a day"):
        services.resend_invitation(invitation=kept, now=later)
    invite(make_tenant(), now=now)
    invite(tenant, email="c@example.com", now=later + MAILS_IN)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "Ada <ada@example.com>",
        "ada@exämple.com",
        "ada@example.\u212aom",
        "a" * 250 + "@example.com",
        # Decoded as the mail is written: it would go to another address, or to none.
        "=?utf-8?q?eve?=@example.com",
        "=?utf-8?q?a=0ab?=@example.com",
        '"\x01"@example.com',
    ],
)
def test_what_is_no_plain_address_is_refused(tenant: Tenant, email: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        invite(tenant, email=email)
    assert refused.value.param == "email"


def test_an_unknown_role_is_refused(tenant: Tenant) -> None:
    with pytest.raises(InvalidRequest) as refused:
        invite(tenant, role="root")
    assert refused.value.param == "role"


def test_a_foreign_project_is_refused_as_one_that_does_not_exist(
    tenant: Tenant,
) -> None:
    foreign = make_project()
    own = make_project(tenant=tenant)
    services.archive_project(project=own, now=NOW)
    said = {}
    for project_id in (foreign.pk, 999_999_999):
        with pytest.raises(InvalidRequest) as refused:
            services.invite(
                tenant=tenant,
                email=ADA,
                role=Role.DEVELOPER,
                project_ids=[project_id],
                now=NOW,
            )
        said[project_id] = refused.value.message.replace(str(project_id), "N")
        assert refused.value.param == "projects"
    assert len(set(said.values())) == 1
    with pytest.raises(InvalidRequest, match="archived"):
        services.invite(
            tenant=tenant, email=ADA, role="viewer", project_ids=[own.pk], now=NOW
        )


MAKERS = {
    Role.OWNER: set(Role),
    Role.ADMIN: {Role.ADMIN, Role.DEVELOPER, Role.VIEWER},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("by", MAKERS)
def test_a_member_gives_no_role_above_his_own(
    tenant: Tenant, by: Role, role: Role
) -> None:
    with acting_for(make_member(tenant=tenant, role=by)):
        if role in MAKERS[by]:
            assert invite(tenant, role=role).invited_by_id == current().member_id
            return
        with pytest.raises(PermissionDenied):
            invite(tenant, role=role)


def test_a_narrow_token_gives_no_more_than_it_holds(tenant: Tenant) -> None:
    owner = make_member(tenant=tenant)
    narrow = frozenset({scope for scope in TENANTS if scope.startswith("members:")})
    with acting_for(owner, scopes=narrow), pytest.raises(PermissionDenied):
        invite(tenant, role=Role.VIEWER)


def test_a_services_token_makes_no_owner(tenant: Tenant) -> None:
    token = Actor(ActorKind.TENANT_TOKEN, 1, tenant_id=tenant.pk, scopes=TENANTS)
    with acting_as(token):
        invite(tenant, role=Role.ADMIN, email="b@example.com")
        with pytest.raises(PermissionDenied):
            invite(tenant, role=Role.OWNER)


def test_who_was_removed_or_demoted_meanwhile_invites_nobody(tenant: Tenant) -> None:
    admin = make_member(tenant=tenant, role=Role.ADMIN)
    with acting_for(admin):
        services.change_role(member=admin, role=Role.VIEWER, now=NOW)
        with pytest.raises(PermissionDenied):
            invite(tenant, role=Role.ADMIN)
        Member.objects.filter(pk=admin.pk).update(removed_at=NOW)
        with pytest.raises(PermissionDenied):
            invite(tenant, role=Role.VIEWER)


def test_the_offer_outlives_neither_its_maker_nor_his_rights(tenant: Tenant) -> None:
    make_member(tenant=tenant)
    owner = make_member(tenant=tenant)
    with acting_for(owner):
        high = invite(tenant, role=Role.ADMIN)
        low = invite(tenant, email="b@example.com", role=Role.VIEWER)
    services.change_role(member=owner, role=Role.DEVELOPER, now=NOW)
    high.refresh_from_db()
    low.refresh_from_db()
    assert (high.revoked_at, low.revoked_at) == (NOW, None)
    services.remove_member(member=owner, now=NOW)
    low.refresh_from_db()
    assert low.revoked_at == NOW


def test_of_two_who_take_one_link_one_wins(fresh_database: object) -> None:
    with as_operator():
        row = invite(make_tenant())
    text = links.text_of(row.nonce)
    users = [make_user(), make_user()]

    def take(number: int) -> Member:
        return services.accept_invitation(
            text=text, user=users[number], verified=[ADA], now=NOW
        )

    lost: list[PlatformError | Exception | None] = []
    other = Thread(
        target=lambda: lost.append(as_another_operator(lambda: take(1))), daemon=True
    )
    with as_operator(), atomic():
        take(0)
        other.start()
        wait_until_blocked()
    other.join(30)
    assert isinstance(lost[0], NotFound)
    with as_operator():
        assert [member.user for member in Member.objects.all()] == [users[0]]


def test_the_link_stands_in_no_table(tenant: Tenant) -> None:
    row = invite(tenant)
    secret = links.text_of(row.nonce).removeprefix("tgi_")
    assert secret not in repr(row.__dict__)
    with connections[OPERATOR].cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
            " AND c.relkind = 'r'"
            " AND has_table_privilege(c.oid, 'SELECT')"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert "tenants_invitation" in tables
        for table in tables:
            cursor.execute(
                f"SELECT count(*) FROM {table} AS t WHERE t::text LIKE %s",
                [f"%{secret}%"],
            )
            assert cursor.fetchone() == (0,), table
