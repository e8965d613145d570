"""Who fails too often waits, and learns nothing from failing."""

import time
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.core.management import call_command
from django.test import Client

from config.local.code import code_at
from tenants.models import AuditEntry
from tests.factories.accounts import (
    SECRET,
    code,
    give_second_factor,
    make_operator,
    make_person,
)
from tests.pages.accounts.browser import CODE, give_code, give_password, leads_to

pytestmark = pytest.mark.usefixtures("operator_db")

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def fail(name: str, times: int, address: str = HERE) -> list[int]:
    """Give a wrong password so often, each time in a new browser; return statuses."""
    return [
        give_password(Client(REMOTE_ADDR=address), name, "wrong").status_code
        for _ in range(times)
    ]


@pytest.mark.parametrize("name", ["person", "nobody", "nobody@example.com"])
def test_five_failures_lock_an_account_whether_or_not_it_exists(name: str) -> None:
    make_person("person")
    assert fail(name, 6) == [200, 200, 200, 200, 429, 429]
    answer = give_password(Client(REMOTE_ADDR=HERE), name)
    assert answer.status_code == 429
    assert b"15 minutes" in answer.content
    assert "Content-Security-Policy" in answer.headers


def test_name_and_address_of_one_account_are_counted_together() -> None:
    make_person("person", email="person@example.com")
    assert fail("person", 3) + fail("Person@Example.com", 2) == [200] * 4 + [429]


def test_a_lock_holds_for_one_address_and_one_account() -> None:
    make_person("person")
    make_person("other")
    fail("person", 5)
    assert leads_to(give_password(Client(REMOTE_ADDR=HERE), "other"), "/console/")
    elsewhere = Client(REMOTE_ADDR=ELSEWHERE)
    assert leads_to(give_password(elsewhere, "person"), "/console/")


def test_an_address_that_tries_many_accounts_is_locked(settings: Any) -> None:
    settings.SIGN_IN_FAILURES_BY_ADDRESS_MAX = 8
    make_person("person")
    tried = [fail(f"name-{number}", 1)[0] for number in range(8)]
    assert tried == [200] * 7 + [429]
    assert give_password(Client(REMOTE_ADDR=HERE), "person").status_code == 429
    assert give_password(Client(REMOTE_ADDR=ELSEWHERE), "person").status_code == 302


def test_a_network_of_ipv6_is_one_address() -> None:
    make_person("person")
    tried = [fail("person", 1, f"2001:db8::{number}")[0] for number in range(1, 6)]
    assert tried[-1] == 429
    assert fail("person", 1, "2001:db8:0:1::1") == [200]


def test_five_wrong_codes_lock_the_right_one_out_too() -> None:
    operator = make_operator()
    give_second_factor(operator)
    browser = Client()
    give_password(browser, operator.username)
    for _ in range(5):
        assert give_code(browser, "000000").status_code == 200
    answer = give_code(browser, code())
    assert answer.status_code == 200
    assert b"Too many wrong attempts" in answer.content
    # Another browser is no way round.
    other = Client()
    assert leads_to(give_password(other, operator.username), CODE)
    assert give_code(other, code()).status_code == 200
    call_command("unlock", operator.username)
    assert leads_to(give_code(other, code_at(SECRET, time.time() + 30)), "/admin/")


def test_unlock_ends_the_lock_of_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    make_person("person", email="person@example.com")
    fail("person", 5)
    call_command("unlock", "person@example.com")
    assert "5 failures forgotten" in capsys.readouterr().out
    assert AuditEntry.objects.filter(action="unlock").count() == 1
    assert give_password(Client(REMOTE_ADDR=HERE), "person").status_code == 302


def test_an_unknown_name_costs_one_hash_and_says_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_person("person", email="person@example.com")
    hashed: list[object] = []
    real = hashers.MD5PasswordHasher.encode

    def encode(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return real(self, password, salt)

    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", encode)
    told = set()
    for name in ("person", "nobody", "person@example.com", "nobody@example.com"):
        hashed.clear()
        answer = give_password(Client(), name, "wrong")
        assert len(hashed) == 1, name
        page = answer.content.decode().replace(name, "")
        told.add((answer.status_code, "Name, address or password is wrong." in page))
    assert told == {(200, True)}


def test_asking_for_a_new_password_says_the_same_of_everybody() -> None:
    make_person("person", email="person@example.com")
    answers = [
        Client().post("/accounts/password/reset/", {"email": address})
        for address in ("person@example.com", "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [302, 302]
    assert len({answer["Location"] for answer in answers}) == 1


def test_nobody_signs_up() -> None:
    answer = Client().get("/accounts/signup/")
    assert b"by invitation" in answer.content
    values = {"email": "a@example.com", "password1": "x" * 20, "password2": "x" * 20}
    Client().post("/accounts/signup/", values)
    assert leads_to(give_password(Client(), "a@example.com", "x" * 20), "/x") is False
