"""Operators' accounts in the admin: pages load, and no account is deleted."""

import pytest
from django.contrib.auth.models import Group, User

from tests.admin import page, signed_in

pytestmark = pytest.mark.usefixtures("operator_db")


def test_pages_of_accounts_load_and_delete_nothing() -> None:
    admin = signed_in()
    user = User.objects.get()
    for address in (
        page("auth_user", "changelist"),
        page("auth_user", "add"),
        page("auth_user", "change", user.pk),
        f"/admin/auth/user/{user.pk}/password/",
    ):
        assert admin.get(address).status_code == 200, address
    delete = page("auth_user", "delete", user.pk)
    assert admin.post(delete, {"post": "yes"}).status_code == 403


def test_pages_of_groups_load() -> None:
    admin = signed_in()
    group = Group.objects.create(name="finance")
    for address in (
        page("auth_group", "changelist"),
        page("auth_group", "change", group.pk),
    ):
        assert admin.get(address).status_code == 200, address
