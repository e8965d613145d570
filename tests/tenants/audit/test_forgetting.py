"""A person is forgotten everywhere, and every chain stays whole."""

import datetime as dt
import json

import pytest
from allauth.account.models import EmailAddress
from allauth.utils import generate_unique_username
from axes.models import AccessAttempt
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from kit.errors import Conflict
from kit.orm.roles import OPERATOR
from kit.orm.saving import change, create
from tenants import services
from tenants.models import (
    AuditDetail,
    AuditEntry,
    Invitation,
    Mail,
    Member,
    Role,
    Tenant,
)
from tests.factories.accounts import PASSWORD, make_person
from tests.factories.members import make_user
from tests.factories.tenants import make_member, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ADA = "ada@acme.example"
NAME = "Ada Lovelace"


@pytest.fixture
def tenant() -> Tenant:
    """Provide a tenant with another owner, who stays."""
    made = make_tenant(billing_email="pay@acme.example")
    make_member(tenant=made)
    return made


@pytest.fixture
def member(tenant: Tenant) -> Member:
    """Provide a member that was invited, renamed and removed, each of it told."""
    services.invite(tenant=tenant, email=ADA, role=Role.VIEWER, now=NOW)
    row = Member(
        tenant=tenant,
        user=make_user(email=ADA, name=NAME),
        email=ADA,
        name="Ada",
        role=Role.VIEWER,
    )
    create(row, action="join")
    change(row, {"name": NAME})
    services.remove_member(member=row, now=NOW)
    return row


def everything() -> str:
    """Return all text of the tables that may hold a name."""
    tables = (
        "tenants_member",
        "tenants_invitation",
        "tenants_tenant",
        "tenants_auditentry",
        "tenants_auditdetail",
        "auth_user",
        "django_admin_log",
    )
    with connections[OPERATOR].cursor() as cursor:
        found = []
        for table in tables:
            cursor.execute(f"SELECT to_jsonb({table}) FROM {table}")
            found += [str(row) for row in cursor.fetchall()]
    return "\n".join(found)


def test_a_member_is_forgotten_in_its_tenant(member: Member) -> None:
    other = make_member(email="bob@acme.example")
    LogEntry.objects.create(
        user=make_user(),
        content_type=ContentType.objects.get_for_model(Member),
        object_id=str(member.pk),
        object_repr=str(member),
        action_flag=CHANGE,
    )
    row = services.forget_member(member=member, now=NOW)
    assert (row.email, row.name) == ("", "")
    assert LogEntry.objects.get().object_repr == f"member {member.pk}"
    invitation = Invitation.objects.get(tenant=member.tenant_id)
    assert (invitation.email, invitation.revoked_at) == ("", NOW)
    assert not _details_of(member.tenant_id, "member", member.pk)
    # What is no person's of these stays.
    assert Member.objects.get(pk=other.pk).email == "bob@acme.example"
    assert _details_of(member.tenant_id, "tenant", member.tenant_id)
    assert services.verify_audit().differences == 0


def test_forgetting_again_changes_nothing(member: Member) -> None:
    services.forget_member(member=member, now=NOW)
    before = AuditEntry.objects.count()
    services.forget_member(member=member, now=NOW)
    assert AuditEntry.objects.count() == before


def test_who_has_a_place_is_not_forgotten(tenant: Tenant, member: Member) -> None:
    present = make_member(tenant=tenant, email=ADA)
    for row in (present, member):
        with pytest.raises(Conflict):
            services.forget_member(member=row, now=NOW)
    assert Member.objects.get(pk=member.pk).name == NAME


def test_where_bills_go_and_went_is_forgotten(tenant: Tenant) -> None:
    services.update_tenant(tenant=tenant, billing_email="new@acme.example")
    row = services.forget_billing_email(tenant=tenant)
    assert row.billing_email == ""
    assert "@acme.example" not in everything()
    assert services.verify_audit().differences == 0


def test_a_person_is_forgotten_everywhere(tenant: Tenant, member: Member) -> None:
    elsewhere = make_tenant(billing_email=ADA.upper())
    once = make_tenant(billing_email=ADA)
    services.update_tenant(tenant=once, billing_email="new@once.example")
    services.invite(tenant=once, email=ADA, role=Role.ADMIN, now=NOW)
    assert "ada" in everything().lower()
    call_command("forget_person", email="Ada@ACME.example", json=True)
    assert "ada@" not in everything().lower()
    assert NAME not in everything()
    account = User.objects.get(pk=member.user_id)
    assert not account.is_active
    assert Tenant.objects.get(pk=elsewhere.pk).billing_email == ""
    assert Tenant.objects.get(pk=once.pk).billing_email == "new@once.example"
    assert services.verify_audit().differences == 0


def test_the_command_says_where(
    member: Member, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("forget_person", email=ADA, json=True)
    found = json.loads(capsys.readouterr().out)
    assert found == {"members": 1, "invitations": 1, "tenants": 0, "accounts": 1}


def test_a_name_that_somebody_else_has_does_not_keep_one_from_being_forgotten() -> None:
    account = make_user()
    taken = generate_unique_username([f"forgotten-{account.pk}@acme.example"])
    User.objects.create_user(taken)
    services.forget_account(account=account)
    account.refresh_from_db()
    assert not account.is_active


def test_sessions_of_a_forgotten_account_are_gone() -> None:
    account, other = make_person("ada"), make_person("bob")
    browsers = [Client() for _ in range(2)]
    for browser, person in zip(browsers, (account, other), strict=True):
        browser.post(
            "/accounts/login/", {"login": person.username, "password": PASSWORD}
        )
    services.forget_account(account=account)
    (left,) = Session.objects.all()
    assert left.session_key == browsers[1].session.session_key


def test_an_address_that_was_only_typed_or_asked_for_is_forgotten() -> None:
    EmailAddress.objects.create(user=make_person("bob"), email=ADA)
    Client().post("/accounts/login/", {"login": ADA.upper(), "password": "wrong"})
    assert AccessAttempt.objects.count() == 1
    services.forget_person(email=ADA, now=NOW)
    assert not AccessAttempt.objects.exists()
    assert not EmailAddress.objects.exists()


def test_all_or_nothing_is_forgotten(tenant: Tenant, member: Member) -> None:
    """An operator's account, and a place elsewhere, are ends of it."""
    make_member(email=ADA)
    with pytest.raises(CommandError, match="still has a place"):
        call_command("forget_person", email=ADA)
    assert Member.objects.get(pk=member.pk).name == NAME
    account = make_user(email="root@acme.example")
    account.is_staff = True
    account.save()
    with pytest.raises(Conflict):
        services.forget_account(account=account)


def _details_of(chain: int, kind: str, object_id: int) -> int:
    entries = AuditEntry.objects.filter(
        chain=chain, object_kind=kind, object_id=str(object_id)
    )
    return AuditDetail.objects.filter(entry_id__in=entries.values("id")).count()


def test_an_address_leaves_the_log_of_mails_however_it_is_spelled(
    tenant: Tenant,
) -> None:
    mail = Mail.objects.create(
        tenant=tenant,
        kind=Mail.Kind.INVOICE,
        subject_id=1,
        addresses=["Ada@Acme.example", "bob@acme.example"],
        refused=["aDA@acme.example"],
    )
    services.forget_person(email=ADA, now=NOW)
    mail.refresh_from_db()
    assert (mail.addresses, mail.refused) == (["bob@acme.example"], [])
