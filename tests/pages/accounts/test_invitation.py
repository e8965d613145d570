"""The link of an invitation: somebody new, somebody known, and nobody twice."""

import datetime as dt

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tenants import invitation_links as links
from tenants import services
from tenants.models import Invitation, Member
from tests.factories.accounts import give_second_factor, make_person, sign_in
from tests.factories.tenants import make_tenant
from tests.pages.accounts.browser import CODE, give_password, leads_to, opens

pytestmark = pytest.mark.usefixtures("operator_db")

ADDRESS = "ada@example.com"
NEW = {"name": "Ada Lovelace", "password": "an analytical engine"}


@pytest.fixture
def invitation() -> Invitation:
    """Provide an open invitation."""
    return services.invite(
        tenant=make_tenant(name="Acme"),
        email=ADDRESS,
        role="developer",
        now=timezone.now(),
    )


def page_of(invitation: Invitation) -> str:
    return f"/accounts/invitation/{links.text_of(invitation.nonce)}/"


def test_somebody_new_gets_an_account_a_place_and_a_session(
    invitation: Invitation,
) -> None:
    browser = Client()
    shown = browser.get(page_of(invitation)).content.decode()
    assert "Acme" in shown
    assert "Developer" in shown
    assert ADDRESS in shown
    assert leads_to(browser.post(page_of(invitation), NEW), "/console/")

    user = User.objects.get(email=ADDRESS)
    assert (user.first_name, user.is_staff) == ("Ada Lovelace", False)
    assert EmailAddress.objects.get(user=user).verified
    place = Member.objects.get(user=user)
    assert (place.tenant_id, place.role) == (invitation.tenant_id, "developer")
    assert b"Acme" in browser.get("/console/", follow=True).content
    assert browser.get("/admin/", follow=True).status_code == 403
    assert leads_to(give_password(Client(), ADDRESS, NEW["password"]), "/console/")


@pytest.mark.parametrize(
    "wrong", [{}, {"name": ""}, {"password": "short"}, {"password": "12345678901234"}]
)
def test_an_account_that_would_not_do_is_not_made(
    invitation: Invitation, wrong: dict[str, str]
) -> None:
    answer = Client().post(page_of(invitation), {**NEW, **wrong} if wrong else {"x": 1})
    assert answer.status_code == 400
    assert not User.objects.exists()
    assert not Member.objects.exists()


def test_somebody_known_signs_in_first_then_says_yes(invitation: Invitation) -> None:
    user = make_person("ada", email=ADDRESS)
    browser = Client()
    shown = browser.get(page_of(invitation)).content.decode()
    assert 'name="password"' not in shown
    browser.post(page_of(invitation), NEW)
    assert not Member.objects.exists()

    back = f"{page_of(invitation)}"
    answer = browser.post(
        "/accounts/login/",
        {"login": "ada", "password": "a long enough password", "next": back},
    )
    assert leads_to(answer, back)
    assert b"Accept" in browser.get(back).content
    assert not Member.objects.exists()
    assert leads_to(browser.post(back), "/console/")
    assert Member.objects.get().user_id == user.pk


def test_the_second_factor_of_somebody_known_is_asked_for(
    invitation: Invitation,
) -> None:
    give_second_factor(make_person("ada", email=ADDRESS))
    browser = Client()
    assert leads_to(give_password(browser, "ada"), CODE)
    assert not opens(browser, "/console/")
    browser.post(page_of(invitation))
    assert not Member.objects.exists()


def test_somebody_who_asks_for_the_address_keeps_nobody_out(
    invitation: Invitation,
) -> None:
    EmailAddress.objects.create(user=make_person("taker"), email=ADDRESS)
    assert leads_to(Client().post(page_of(invitation), NEW), "/console/")
    assert Member.objects.get().user.email == ADDRESS


def test_another_account_cannot_take_it(invitation: Invitation) -> None:
    browser = sign_in(Client(), make_person("eve", email="eve@example.com"))
    assert browser.post(page_of(invitation)).status_code == 403
    assert not Member.objects.exists()


def test_expired_used_revoked_and_unknown_are_one_page(invitation: Invitation) -> None:
    now = timezone.now()
    used, revoked, expired = (
        services.invite(
            tenant=make_tenant(), email=f"{name}@example.com", role="viewer", now=now
        )
        for name in ("used", "revoked", "expired")
    )
    Client().post(page_of(used), NEW)
    services.revoke_invitation(invitation=revoked, now=now)
    Invitation.objects.filter(pk=expired.pk).update(expires_at=now - dt.timedelta(1))
    unknown = "/accounts/invitation/tgi_nothing/"
    answers = [
        Client().get(page)
        for page in (*map(page_of, (used, revoked, expired)), unknown)
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert len({answer.content for answer in answers}) == 1
    assert Client().get(page_of(invitation)).status_code == 200


def test_a_link_taken_once_makes_no_second_account(invitation: Invitation) -> None:
    Client().post(page_of(invitation), NEW)
    assert Client().post(page_of(invitation), NEW).status_code == 404
    assert User.objects.filter(email=ADDRESS).count() == 1


def test_the_page_loads_nothing_foreign_and_is_not_kept(invitation: Invitation) -> None:
    answer = Client().get(page_of(invitation))
    assert "script-src" not in answer["Content-Security-Policy"]
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "same-origin"
