"""Settings that contradict each other are found before anything runs."""

from collections.abc import Callable

import pytest
from django.conf import settings as configured
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage
from django.test import override_settings

from config import demo
from config.checks import (
    demo_is_elsewhere,
    hosts_are_named,
    mail_is_sent,
    people_can_sign_in,
    roles_are_apart,
    webhooks_go_out,
)

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
    assert found(hosts_are_named, **PUBLIC) == []
    assert found(people_can_sign_in, **PUBLIC) == []


@pytest.mark.parametrize(
    ("is_set", "folder", "said"),
    [
        (True, None, []),
        (False, None, ["tollgate.W004"]),
        (True, "/mails", ["tollgate.W004"]),
    ],
)
def test_mails_that_go_nowhere_are_said(
    is_set: bool, folder: str | None, said: list[str]
) -> None:
    assert found(mail_is_sent, EMAIL_IS_SET=is_set, EMAIL_FILE_PATH=folder) == said


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


@pytest.mark.parametrize("hosts", [["*"], ["gate.example", "*"]])
def test_every_host_is_too_many(hosts: list[str]) -> None:
    assert found(hosts_are_named, ALLOWED_HOSTS=hosts) == ["tollgate.E004"]


def test_webhooks_to_this_machine_are_for_rehearsals() -> None:
    assert found(webhooks_go_out) == []
    said = found(webhooks_go_out, WEBHOOK_HTTP_LOOPBACK=True)
    assert said == ["tollgate.E006"]


def test_the_demo_s_account_is_no_account_of_production(operator_db: None) -> None:
    def said() -> list[str | None]:
        return [each.id for each in demo_is_elsewhere(databases=["operator"])]

    users = get_user_model().objects
    assert said() == []
    user = users.create_superuser(username=demo.OPERATOR, password="x" * 20)
    assert said() == ["tollgate.W003"]
    # Without a database nothing is asked.
    assert demo_is_elsewhere(databases=None) == []
    user.is_active = False
    user.save(update_fields=["is_active"])
    assert said() == []
