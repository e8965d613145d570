"""Light or dark: chosen without a script, kept by the browser, and led back."""

import pytest
from django.test import Client

from pages.appearance import COOKIE

PAGE = "/accounts/login/"


def test_a_choice_is_kept_and_shown_until_the_system_decides_again(
    operator_db: None,
) -> None:
    client = Client()
    assert b"data-appearance" not in client.get(PAGE).content

    came_from = {"referer": f"http://testserver{PAGE}"}
    answer = client.post("/appearance/", {"appearance": "dark"}, headers=came_from)

    assert (answer.status_code, answer["Location"]) == (
        302,
        f"http://testserver{PAGE}",
    )
    assert answer.cookies[COOKIE]["httponly"]
    assert b'data-appearance="dark"' in client.get(PAGE).content
    client.post("/appearance/", {"appearance": "system"})
    assert b"data-appearance" not in client.get(PAGE).content


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""]
)
def test_no_way_back_leads_elsewhere(elsewhere: str) -> None:
    answer = Client().post(
        "/appearance/", {"appearance": "dark"}, headers={"referer": elsewhere}
    )

    assert answer["Location"] == "/"


def test_what_is_no_choice_is_refused() -> None:
    client = Client()

    assert client.post("/appearance/", {"appearance": "pink"}).status_code == 400
    assert client.get("/appearance/").status_code == 405
    client.cookies[COOKIE] = '"><script>'
    assert b"data-appearance" not in client.get("/appearance/").content


def test_a_choice_needs_the_token_of_its_form() -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.post("/appearance/", {"appearance": "dark"}).status_code == 403
