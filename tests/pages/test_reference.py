"""The rendered reference is open to read, and loads and allows nothing foreign."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from pages.reference import POLICY

REFERENCE = "/api/v1/docs/"


@pytest.fixture
def page(operator_db: None) -> str:
    """Provide the page as anybody sees it."""
    response = Client().get(REFERENCE)
    assert response.status_code == 200
    assert response["Content-Security-Policy"] == POLICY
    return response.content.decode()


def test_its_script_is_a_file_of_its_own_under_the_same_policy(page: str) -> None:
    script = Client().get(f"{REFERENCE}?script=")

    assert f'<script src="{REFERENCE}?script=">' in page
    assert script.status_code == 200
    assert "javascript" in script["Content-Type"]
    assert script["Content-Security-Policy"] == POLICY
    assert b"/api/v1/schema/" in script.content


def test_it_names_nothing_inline_and_nothing_foreign(page: str) -> None:
    assert "://" not in page
    assert not re.search(r"<script>|<style|\sstyle=|\son[a-z]+=", page)
    for path in re.findall(r'(?:src|href)="/static/([^"]+)"', page):
        assert finders.find(path), path


def test_the_policy_allows_only_our_own_files() -> None:
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))

    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == "'self'"
    assert directives["connect-src"] == "'self'"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


def test_a_stale_token_does_not_close_it(operator_db: None) -> None:
    stale = {"Authorization": "Bearer stale"}

    assert Client().get(REFERENCE, headers=stale).status_code == 200
