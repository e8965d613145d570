"""Operators' accounts in the admin: pages load, and no account is deleted."""

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client

from pages.accounts.backend import owners_of
from tests.admin import page, signed_in
from tests.factories.accounts import make_operator, make_person, sign_in

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


def test_what_libraries_keep_of_sign_ins_has_no_pages() -> None:
    foreign = [
        model._meta.label
        for model, pages in admin.site._registry.items()
        if type(pages).__module__.split(".")[0] in {"allauth", "axes", "django"}
    ]
    assert foreign == []


def test_a_given_address_is_the_only_one() -> None:
    person = make_person("person", email="old@example.com")
    EmailAddress.objects.create(
        user=person, email="old@example.com", verified=True, primary=True
    )
    values = {
        "username": "person",
        "email": "New@Example.com",
        "is_active": "on",
        "date_joined_0": "2026-11-01",
        "date_joined_1": "12:00",
    }
    address = page("auth_user", "change", person.pk)
    assert signed_in().post(address, values).status_code == 302
    assert owners_of("old@example.com") == []
    assert owners_of("new@example.com") == [person]
    person.refresh_from_db()
    assert person.email == "new@example.com"


def test_a_password_is_changed_where_attempts_are_counted() -> None:
    operator = sign_in(Client(), make_operator())
    answer = operator.get("/admin/password_change/")
    assert answer.headers["Location"] == "/accounts/password/change/"
