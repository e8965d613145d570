"""A share of a limit is crossed: people and programs are told once, pages say it."""

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core import mail
from django.db import connections

from kit.orm.roles import as_operator
from metering.alerts.models import Delivery
from metering.alerts.sending import send_mails
from metering.alerts.watching import scan
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.browser.registry import PLACE
from tests.browser.watch import LOOKS, Watched
from tests.factories.alerts import make_window, post
from tests.metering.alerts.receiving_scene import call, rehearsing, verified
from tests.pictures.past import CUSTOMERS
from tests.standins.webhook_receiver import Receiver, receiving


def told(now: dt.datetime) -> None:
    """Take one round of what workers do."""
    with as_operator():
        scan(now=now)
        send_mails(now=now)
    called(now)


def called(now: dt.datetime) -> None:
    """Call what is due, beside the browser's driver, whose loop runs in this thread."""
    with ThreadPoolExecutor(1) as worker:
        worker.submit(_call, now).result()


def _call(now: dt.datetime) -> None:
    try:
        call(now=now)
    finally:
        connections.close_all()


def give_another_secret(member: Watched, receiver: Receiver, former: str) -> None:
    """Rotate the secret of the endpoint that is open; both sign until the overlap ends.

    The page that shows it is reloaded, so that the browser sends the form again.
    """
    page = member.page
    page.get_by_role("link", name="Another secret").click()
    page.get_by_role("button", name="Make another secret").click()
    page.get_by_text("It is never shown again.").wait_for()
    secret = page.locator(".once code").inner_text()
    page.reload()
    page.get_by_text("This form was sent already").wait_for()
    assert secret not in page.content()
    member.check()
    page.get_by_role("link", name="See what was made").click()
    page.get_by_text("signed by the former secret as well until").wait_for()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_text("A test is on its way").wait_for()
    called(database_now())
    assert secret != former
    for each in (former, secret):
        verified(receiver.received[-1], each, now_s=time.time())


def test_a_threshold_is_told_once(member: Watched, settings: Any) -> None:
    settings.EMAIL_IS_SET = True
    with receiving() as receiver, rehearsing():
        page = member.open(f"{PLACE}notifications/webhooks/new/")
        page.get_by_label("Name").fill("pager")
        page.get_by_label("Address").fill(receiver.url())
        page.get_by_role("button", name="Add it").click()
        page.get_by_text("It is never shown again.").wait_for()
        former = page.locator(".once code").inner_text()
        page.get_by_role("link", name="I have stored it").click()
        page.get_by_role("heading", name="pager").wait_for()

        page = member.open(f"{PLACE}limits/new/quota/")
        page.get_by_label("Per").select_option("forever")
        page.get_by_label("Tokens").fill("1000")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("The limit is set").wait_for()
        member.check()

        with as_operator():
            tenant = Tenant.objects.get(slug=CUSTOMERS[0].slug)
        now = database_now()
        window = make_window(
            tenant=tenant,
            window="forever",
            posted=850,
            starts_at=dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
            ends_at=dt.datetime(9999, 1, 1, tzinfo=dt.UTC),
        )
        for more in range(3):
            post(window, 850 + more)
            told(now + dt.timedelta(seconds=60 * more))

        owner = "owner@northwind.example"
        assert [each.to for each in mail.outbox].count([owner]) == 1
        assert "80 %" in mail.outbox[0].subject
        assert len(receiver.received) == 1

        page = member.open(f"{PLACE}limits/")
        assert page.get_by_text("85.2 % of 1,000, stops at 100 %").count()
        history = page.locator("#alerts tbody tr").all_inner_texts()
        assert sum("80 %" in each for each in history) == 1
        for look in LOOKS:
            member.look(look)
            member.check()

        page = member.open(f"{PLACE}notifications/")
        page.get_by_role("link", name="pager", exact=True).click()
        page.locator("#deliveries tbody th a").first.click()
        page.get_by_text('"share": 80').first.wait_for()
        page.get_by_role("button", name="Send it again").click()
        page.get_by_text("under the same id").wait_for()
        called(database_now())
        first, again = receiver.received
        assert first.headers["webhook-id"] == again.headers["webhook-id"]
        member.check()

        give_another_secret(member, receiver, former)
    with as_operator():
        assert Delivery.objects.filter(endpoint__name="pager").count() == 3
