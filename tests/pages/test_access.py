"""Only staff with the permissions see a page, and no page loads anything foreign."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from pages.access import LIVE_POLICY, POLICY, live_page
from tests.factories.billing import make_draft
from tests.pages.conftest import SignIn

OVERVIEW = "/finance/usage/"
NO_INVOICE = "/finance/invoices/00000000-0000-0000-0000-000000000000/"
PAGES = [OVERVIEW, NO_INVOICE]


@pytest.mark.parametrize(
    "page", [*PAGES, "/finance/usage/?tenant=acme&from=2026-11-01"]
)
def test_nobody_is_sent_to_sign_in_and_back(operator_db: None, page: str) -> None:
    response = Client().get(page)

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("account_login") + "?next=/finance/")
    assert Client().get(response["Location"]).status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("permissions", "is_staff"),
    [
        ((), True),
        (("usage.view_dayrollup",), True),
        (("usage.view_dayrollup", "billing.view_invoice"), False),
    ],
)
def test_without_the_rights_it_is_403(
    sign_in: SignIn, page: str, permissions: tuple[str, ...], is_staff: bool
) -> None:
    response = sign_in(*permissions, is_staff=is_staff).get(page)

    assert response.status_code == 403
    assert b"billing.view_invoice" in response.content


def test_an_invoice_needs_only_the_right_to_invoices(sign_in: SignIn) -> None:
    invoice = make_draft()
    client = sign_in("billing.view_invoice")

    assert client.get(f"/finance/invoices/{invoice.public_id}/").status_code == 200
    assert client.get(OVERVIEW).status_code == 403


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(finance: Client, page: str, method: str) -> None:
    assert finance.generic(method, page).status_code == 405


def test_every_answer_forbids_what_is_foreign_and_caching(
    finance: Client, sign_in: SignIn
) -> None:
    answers = {
        200: finance.get(OVERVIEW),
        302: Client().get(OVERVIEW),
        400: finance.get(OVERVIEW, {"from": "x"}),
        404: finance.get(NO_INVOICE),
    }

    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer["Content-Security-Policy"] == POLICY
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Frame-Options"] == "DENY"


def test_a_live_page_runs_our_scripts_and_its_refusals_none() -> None:
    def page(request: HttpRequest) -> HttpResponse:
        return HttpResponse(
            status=int(request.GET["status"]),
            headers={"Content-Security-Policy": POLICY},
        )

    policies = {
        status: live_page(page)(RequestFactory().get("/", {"status": status}))
        for status in (200, 302, 403)
    }

    assert policies[200]["Content-Security-Policy"] == LIVE_POLICY
    assert policies[302]["Content-Security-Policy"] == POLICY
    assert policies[403]["Content-Security-Policy"] == POLICY
    assert "unsafe" not in LIVE_POLICY


def test_the_policy_allows_no_script_and_nothing_inline() -> None:
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))

    assert directives["default-src"] == "'none'"
    assert "script-src" not in directives
    assert directives["style-src"] == directives["img-src"] == "'self'"
    assert "unsafe" not in POLICY
