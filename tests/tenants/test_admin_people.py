"""The admin's pages of members and invitations: they load, act, and count first."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from tenants import invitation_links as links
from tenants import services
from tenants.models import ApiKey, Invitation, Member, Role
from tests.admin import action, confirm, page, signed_in, submit, words
from tests.factories.members import acting_for
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
    make_token,
)

MEMBER, INVITATION = "tenants_member", "tenants_invitation"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def invite(email: str = "ada@example.com", *, ago_s: int = 3600) -> Invitation:
    """Invite an owner into a new tenant, a while ago."""
    now = timezone.now() - dt.timedelta(seconds=ago_s)
    return services.invite(tenant=make_tenant(), email=email, role="owner", now=now)


def said(response: Any) -> str:
    """Return what the page says of what was done."""
    return " ".join(str(each) for each in get_messages(response.wsgi_request))


def test_pages_load_and_find_people_by_address_name_and_tenant(admin: Client) -> None:
    project = make_project()
    member = make_member(
        tenant=project.tenant,
        role=Role.DEVELOPER,
        email="ada@example.com",
        projects=[project],
    )
    row = invite("grace@example.com")
    assert admin.get(page(MEMBER, "change", member.pk)).status_code == 200
    assert admin.get(page(INVITATION, "change", row.pk)).status_code == 200
    assert admin.get(page(INVITATION, "add")).status_code == 200
    for model, asked, address in (
        (MEMBER, "ada@example", "ada@example.com"),
        (MEMBER, member.tenant.slug, "ada@example.com"),
        (INVITATION, "grace", "grace@example.com"),
        (INVITATION, row.tenant.slug, "grace@example.com"),
    ):
        listed = admin.get(page(model, "changelist"), {"q": asked})
        assert address in words(listed.content)
        nothing = admin.get(page(model, "changelist"), {"q": "nobody-of-that-name"})
        assert address not in words(nothing.content)


def test_no_page_shows_a_link(admin: Client) -> None:
    row = invite()
    for address in (
        page(INVITATION, "changelist"),
        page(INVITATION, "change", row.pk),
        page(INVITATION, "history", row.pk),
    ):
        content = admin.get(address).content.decode()
        for secret in (links.text_of(row.nonce), row.digest, row.nonce):
            assert secret not in content


def test_an_owner_is_invited_for_a_new_tenant(admin: Client) -> None:
    tenant = make_tenant()
    form = admin.get(page(INVITATION, "add")).content.decode()
    assert '<option value="owner" selected' in form
    values = {"tenant": tenant.pk, "email": "ada@example.com", "role": "owner"}
    response = submit(admin, page(INVITATION, "add"), values)
    assert response.status_code == 302, words(response.content)
    row = Invitation.objects.get(tenant=tenant)
    assert (row.email, row.role) == ("ada@example.com", "owner")
    again = submit(admin, page(INVITATION, "add"), values)
    assert "written to a moment ago" in words(again.content)
    assert Invitation.objects.filter(tenant=tenant).count() == 1


def test_an_invitation_is_resent_and_revoked(admin: Client) -> None:
    row = invite()
    before = row.nonce
    confirm(admin, action(INVITATION, "resend", row.pk))
    row.refresh_from_db()
    assert row.nonce != before
    confirm(admin, action(INVITATION, "revoke", row.pk))
    row.refresh_from_db()
    assert row.revoked_at is not None
    refused = confirm(admin, action(INVITATION, "resend", row.pk))
    assert "revoked" in said(refused)


def test_a_members_role_is_changed_and_the_last_owner_stays(admin: Client) -> None:
    owner = make_member()
    submit(admin, page(MEMBER, "change", owner.pk), {"role": "viewer"})
    owner.refresh_from_db()
    assert owner.role == "owner"
    other = make_member(tenant=owner.tenant, role=Role.VIEWER)
    submit(admin, page(MEMBER, "change", other.pk), {"role": "admin"})
    other.refresh_from_db()
    assert other.role == "admin"


def test_removing_counts_first_and_then_takes_all(admin: Client) -> None:
    owner = make_member()
    member = make_member(tenant=owner.tenant, role=Role.ADMIN)
    key = make_key(tenant=owner.tenant).row
    ApiKey.objects.filter(pk=key.pk).update(member=member)
    make_token(member=member)
    with acting_for(member):
        services.invite(
            tenant=owner.tenant,
            email="ada@example.com",
            role="viewer",
            now=timezone.now(),
        )
    dialog = admin.get(action(MEMBER, "remove", member.pk))
    assert "1 API keys, 1 management tokens, 1 open invitations" in words(
        dialog.content
    )
    assert not Member.objects.get(pk=member.pk).removed_at
    confirm(admin, action(MEMBER, "remove", member.pk))
    assert Member.objects.get(pk=member.pk).removed_at
    assert ApiKey.objects.get(pk=key.pk).revoked_at
    refused = confirm(admin, action(MEMBER, "remove", owner.pk))
    assert "last owner" in said(refused)


def test_nobody_is_added_as_a_member_or_deleted(admin: Client) -> None:
    member = make_member()
    assert admin.get(page(MEMBER, "add")).status_code == 403
    for model, pk in ((MEMBER, member.pk), (INVITATION, invite().pk)):
        assert admin.post(page(model, "delete", pk), {"post": "yes"}).status_code == 403
