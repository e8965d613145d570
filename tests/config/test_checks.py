"""Settings that contradict each other are found before anything runs."""

from collections.abc import Callable

import pytest
from django.conf import settings as configured
from django.core.checks import CheckMessage
from django.test import override_settings

from config.checks import people_can_sign_in, roles_are_apart, secrets_are_apart

Check = Callable[[], list[CheckMessage]]

PUBLIC = {
    "PUBLIC_URL": "https://gate.example/",
    "ALLOWED_HOSTS": [".example"],
    "SESSION_COOKIE_SECURE": True,
}
SAME_USER = {
    alias: {**configured.DATABASES[alias], "USER": "tollgate"}
    for alias in configured.DATABASES
}


def found(check: Check, **changes: object) -> list[str | None]:
    """Return the ids of what the check says under these settings."""
    with override_settings(**changes):
        return [message.id for message in check()]


def test_right_settings_pass() -> None:
    assert found(roles_are_apart) == []
    assert found(secrets_are_apart) == []
    assert found(people_can_sign_in, **PUBLIC) == []


@pytest.mark.parametrize("name", ["SECRET_KEY", "OPERATOR_TOKEN"])
def test_one_secret_in_two_places_is_refused(name: str) -> None:
    pepper = configured.KEY_PEPPER.decode()
    assert found(secrets_are_apart, **{name: pepper}) == ["tollgate.E002"]


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_two_roles_as_one_user_are_refused() -> None:
    assert found(roles_are_apart, DATABASES=SAME_USER) == ["tollgate.E001"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ALLOWED_HOSTS": ["localhost"]}, "tollgate.W001"),
        ({"PUBLIC_URL": "http://gate.example"}, "tollgate.W002"),
    ],
)
def test_an_address_at_which_nobody_can_sign_in_is_said(
    change: dict[str, object], said: str
) -> None:
    assert found(people_can_sign_in, **{**PUBLIC, **change}) == [said]
