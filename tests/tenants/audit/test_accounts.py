"""What happens to accounts is in the installation's chain, without a name in it."""

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.signals import user_login_failed
from django.test import Client

from kit.acting import Actor, ActorKind, acting_as
from tenants import services
from tenants.models import AuditDetail, AuditEntry
from tenants.models.audit import INSTALLATION
from tests.admin import page, signed_in
from tests.factories.members import make_user
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


def told(account: User | None = None) -> list[AuditEntry]:
    rows = AuditEntry.objects.filter(chain=INSTALLATION, object_kind="account")
    if account is not None:
        rows = rows.filter(object_id=str(account.pk))
    return list(rows.order_by("seq"))


def actions(account: User) -> list[str]:
    return [entry.action for entry in told(account)]


def test_an_account_is_made_and_changed_without_a_name_in_the_chain() -> None:
    account = make_user(email="ada@acme.example", name="Ada Lovelace")
    account.last_name = "King"
    account.is_staff = True
    account.save()
    made, changed = told(account)
    assert (made.action, changed.action) == ("create", "update")
    assert changed.before == {"is_staff": False}
    assert changed.after == {"is_staff": True}
    detail = AuditDetail.objects.get(pk=changed.pk)
    assert (detail.before, detail.after) == (
        {"last_name": "Lovelace"},
        {"last_name": "King"},
    )
    chain = str(list(AuditEntry.objects.values()))
    assert "Ada" not in chain
    assert "acme.example" not in chain
    assert "password" not in chain
    assert services.verify_audit().differences == 0


def test_a_new_password_is_told_and_its_hash_is_nowhere() -> None:
    account = make_user()
    account.set_password("correct horse battery staple")
    account.save()
    account.password = make_password("correct horse battery staple")
    account.save(update_fields=["password"])
    entries = told(account)
    assert actions(account) == ["create", "change_password", "rehash_password"]
    assert all(not entry.before and not entry.after for entry in entries[1:])
    assert not AuditDetail.objects.filter(pk__in=[e.pk for e in entries[1:]]).exists()


def test_signing_in_is_told_as_the_accounts_own() -> None:
    account = make_user()
    Client().force_login(account, "django.contrib.auth.backends.ModelBackend")
    entry = told(account)[-1]
    assert entry.action == "sign_in"
    assert (entry.actor_kind, entry.actor_id) == ("account", account.pk)
    # The instant of the last sign-in is no change of the account.
    assert actions(account) == ["create", "sign_in"]


def test_a_failed_sign_in_is_told_of_accounts_that_there_are() -> None:
    account = make_user(email="ada@acme.example")
    before = AuditEntry.objects.count()
    names = (account.username.upper(), "ADA@acme.example", "hunter2", "a\0b", "")
    for name in names:
        user_login_failed.send(sender=__name__, credentials={"username": name})
    assert AuditEntry.objects.count() == before + 2
    assert actions(account)[1:] == ["fail_sign_in", "fail_sign_in"]
    assert told(account)[-1].actor_kind == "system"


def test_rights_given_and_taken_are_told() -> None:
    account, group = make_user(), Group.objects.create(name="finance")
    permission = Permission.objects.first()
    assert permission is not None
    account.groups.add(group)
    account.groups.add(group)
    group.user_set.remove(account)
    account.user_permissions.set([permission])
    account.user_permissions.clear()
    group.user_set.add(account)
    group.user_set.clear()
    found = [(entry.action, entry.before, entry.after) for entry in told(account)[1:]]
    assert found == [
        ("add_groups", {}, {"groups": [group.pk]}),
        ("remove_groups", {"groups": [group.pk]}, {}),
        ("add_permissions", {}, {"permissions": [permission.pk]}),
        ("remove_permissions", {"permissions": [permission.pk]}, {}),
        ("add_groups", {}, {"groups": [group.pk]}),
        ("remove_groups", {"groups": [group.pk]}, {}),
    ]


def test_a_right_of_a_group_is_told_of_the_group() -> None:
    group, permission = Group.objects.create(name="support"), Permission.objects.first()
    assert permission is not None
    group.permissions.add(permission)
    entries = AuditEntry.objects.filter(object_kind="group").order_by("seq")
    assert [entry.action for entry in entries] == ["create", "add_permissions"]


def test_the_admin_acts_as_the_operator_under_the_requests_id() -> None:
    tenant = make_tenant(name="Acme")
    request_id = "0198c5d2-0000-7000-8000-000000000001"
    operator = signed_in()
    account = User.objects.get(is_superuser=True)
    operator.post(
        page("tenants_project", "add"),
        {"tenant": tenant.pk, "slug": "bot", "name": "Bot"},
        headers={"x-request-id": request_id},
    )
    entry = AuditEntry.objects.filter(object_kind="project").latest("id")
    assert entry.after["slug"] == "bot"
    assert (entry.actor_kind, entry.actor_id) == ("operator", account.pk)
    assert entry.request_id == request_id


def test_a_command_acts_as_one() -> None:
    with acting_as(Actor(ActorKind.COMMAND)):
        tenant = make_tenant()
    entries = AuditEntry.objects.filter(chain=tenant.pk)
    assert {entry.actor_kind for entry in entries} == {"command"}
