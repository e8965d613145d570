"""Deliveries to a real receiver: signed, tried again, given up, and never lost."""

import datetime as dt
import json
from collections.abc import Iterator
from threading import Thread

import pytest

from kit.orm.roles import as_operator
from metering.alerts import deliveries, purging, services, telling
from metering.alerts.models import Delivery, Endpoint, Event
from metering.alerts.sending import call_webhooks
from metering.alerts.watching import scan
from tenants.models import AuditEntry
from tests.concurrency import as_another_operator
from tests.databases import Database
from tests.factories.alerts import (
    NOW,
    make_endpoint,
    make_installations_endpoint,
    make_window,
)
from tests.factories.limits import make_quota
from tests.factories.tenants import make_member, make_tenant
from tests.metering.alerts.receiving_scene import (
    REACH,
    call,
    crossed,
    delivery,
    rehearsing,
    verified,
)
from tests.metering.alerts.sending_process import started
from tests.standins.webhook_receiver import Receiver, receiving

NOW_S = NOW.timestamp()
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.usefixtures("fresh_database")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Provide a receiver."""
    with receiving() as running:
        yield running


def test_what_a_receiver_is_sent(receiver: Receiver) -> None:
    tenant, secret = crossed(receiver, slug="acme", name="Acme")
    make_tenant(name="Somebody else")
    assert call() == 1
    [request] = receiver.received
    body = verified(request, secret, now_s=NOW_S)
    assert body["id"] == delivery().event.public_id
    assert (body["type"], body["created_at"]) == (
        "budget.threshold_reached",
        "2026-11-20T12:00:00Z",
    )
    assert set(body) == {"id", "type", "created_at", "data"}
    data = body["data"]
    assert data["tenant"] == {"id": tenant.pk, "slug": "acme", "name": "Acme"}
    assert (data["limit"], data["used"], data["share"]) == ("1000", "900", 80)
    assert (data["unit"], data["currency"], data["limit_picos"]) == (
        "tokens",
        None,
        None,
    )
    row = delivery()
    assert (row.state, row.attempts, row.last_status) == ("delivered", 1, 200)
    assert call() == 0


@pytest.mark.parametrize("altered", ["id", "timestamp", "body", "secret"])
def test_a_signature_is_of_all_that_is_sent(receiver: Receiver, altered: str) -> None:
    _, secret = crossed(receiver)
    call()
    [request] = receiver.received
    headers, body = dict(request.headers), request.body
    match altered:
        case "id":
            headers["webhook-id"] = "evt_" + "0" * 32
        case "timestamp":
            headers["webhook-timestamp"] = str(int(NOW_S) + 1)
        case "body":
            body = body.replace(b"900", b"901")
        case "secret":
            secret = make_endpoint().secret
    other = type(request)(request.path, headers, body)
    with pytest.raises(AssertionError, match="no signature is right"):
        verified(other, secret, now_s=NOW_S)


def test_a_failure_is_tried_again_under_the_same_id(receiver: Receiver) -> None:
    _, secret = crossed(receiver)
    receiver.status = 500
    call()
    first = delivery()
    assert (first.state, first.last_status) == ("waiting", 500)
    assert first.last_error == "it answered with 500"
    assert first.next_at is not None
    assert 5 <= (first.next_at - NOW).total_seconds() <= 5.5
    assert call() == 0
    receiver.status = 204
    later = NOW + MINUTE
    call(now=later)
    once, again = receiver.received
    assert once.body == again.body
    assert once.headers["webhook-id"] == again.headers["webhook-id"]
    assert once.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    verified(again, secret, now_s=later.timestamp())
    assert (delivery().state, delivery().attempts) == ("delivered", 2)


def test_an_endpoint_may_ask_for_more_time(receiver: Receiver) -> None:
    crossed(receiver)
    receiver.status, receiver.headers = 503, {"retry-after": "600"}
    call()
    assert delivery().next_at == NOW + 10 * MINUTE


def test_it_is_given_up_after_three_days_and_the_endpoint_paused(
    receiver: Receiver,
) -> None:
    tenant, _ = crossed(receiver)
    owner = make_member(tenant=tenant, role="owner")
    receiver.status = 500
    now, tries = NOW, 0
    while (row := delivery()).state == "waiting" and row.endpoint is not None:
        if row.endpoint.paused_at is not None:
            break
        now = row.next_at or now
        tries += call(now=now)
    assert tries == len(deliveries.DELAYS) + 1 == 10
    assert dt.timedelta(days=3) < now - NOW < dt.timedelta(days=4)
    assert delivery().state == "given_up"
    with as_operator():
        endpoint = Endpoint.objects.get()
        assert (endpoint.state, endpoint.paused_because) == ("paused", "failing")
        told = Delivery.objects.get(event__type="webhook_endpoint.paused")
        assert (told.channel, told.member_id) == ("mail", owner.pk)
        entry = AuditEntry.objects.get(object_kind="webhook_endpoint", action="pause")
        assert entry.actor_kind == "system"


def test_one_that_is_gone_is_paused_at_once(receiver: Receiver) -> None:
    crossed(receiver)
    receiver.status = 410
    call()
    with as_operator():
        endpoint = Endpoint.objects.get()
        assert (endpoint.state, endpoint.paused_because) == ("paused", "gone")
    # What waits is sent once it is resumed.
    assert call(now=NOW + MINUTE) == 0
    receiver.status = 200
    with as_operator():
        services.resume_endpoint(endpoint=endpoint)
    assert call(now=NOW + MINUTE) == 1
    assert delivery().state == "delivered"


def test_a_success_ends_the_failing(receiver: Receiver) -> None:
    crossed(receiver)
    receiver.status = 500
    call()
    with as_operator():
        assert Endpoint.objects.get().state == "failing"
    receiver.status = 200
    call(now=NOW + MINUTE)
    with as_operator():
        endpoint = Endpoint.objects.get()
    assert (endpoint.state, endpoint.last_succeeded_at) == ("active", NOW + MINUTE)


def test_a_worker_killed_between_sending_and_noting_sends_again(
    receiver: Receiver, fresh_database: Database
) -> None:
    """At least once, and under the same id: a receiver can tell."""
    _, secret = crossed(receiver)
    receiver.hold()
    worker = started(fresh_database)
    receiver.wait()
    worker.kill()
    worker.join()
    receiver.release()
    assert (delivery().state, delivery().attempts) == ("waiting", 1)
    # Its claim still stands, and then runs out.
    assert call() == 0
    later = NOW + deliveries.CLAIMED_FOR[Delivery.Channel.WEBHOOK]
    assert call(now=later) == 1
    once, again = receiver.received
    assert once.headers["webhook-id"] == again.headers["webhook-id"]
    assert once.body == again.body
    verified(again, secret, now_s=later.timestamp())
    assert (delivery().state, delivery().attempts) == ("delivered", 2)


def test_two_workers_at_once_send_one(receiver: Receiver) -> None:
    crossed(receiver)
    receiver.hold()
    failed: list[Exception | None] = []

    def work() -> None:
        send = lambda: call_webhooks(now=NOW, reach=REACH)  # noqa: E731
        failed.append(as_another_operator(send))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    receiver.wait()
    receiver.release()
    for thread in threads:
        thread.join()
    assert failed == [None] * 4
    assert len(receiver.received) == 1


def test_a_reader_with_much_to_read_holds_nobody_up(receiver: Receiver) -> None:
    tenant, _ = crossed(receiver)
    with rehearsing():
        many = make_endpoint(tenant=tenant, url=receiver.url(path="/many")).row
        with as_operator():
            for _ in range(100):
                telling.tell_test(many, now=NOW - MINUTE)
            claimed = deliveries.claim(Delivery.Channel.WEBHOOK, now=NOW)
    assert sum(each.endpoint_id == many.pk for each in claimed) == 4
    assert sum(each.endpoint_id != many.pk for each in claimed) == 1


def test_a_rotated_secret_is_signed_with_beside_the_former(receiver: Receiver) -> None:
    _, former = crossed(receiver)
    with as_operator():
        issued = services.rotate_secret(
            endpoint=Endpoint.objects.get(), now=NOW, overlap=dt.timedelta(hours=1)
        )
    call()
    [request] = receiver.received
    for secret in (former, issued.secret):
        verified(request, secret, now_s=NOW_S)
    later = NOW + dt.timedelta(hours=1)
    with as_operator():
        services.send_test(endpoint=issued.row, now=later)
    call(now=later)
    last = receiver.received[-1]
    verified(last, issued.secret, now_s=later.timestamp())
    with pytest.raises(AssertionError, match="no signature is right"):
        verified(last, former, now_s=later.timestamp())


def test_the_installations_endpoint_gets_every_tenants_events(
    receiver: Receiver,
) -> None:
    with rehearsing():
        secret = make_installations_endpoint(url=receiver.url()).secret
    names = ("first", "second")
    for name in names:
        tenant = make_tenant(slug=name)
        make_quota(1000, tenant=tenant, warn_at=[80])
        make_window(tenant=tenant, posted=900)
    with as_operator():
        scan(now=NOW)
    assert call() == 2
    bodies = [verified(each, secret, now_s=NOW_S) for each in receiver.received]
    assert {each["data"]["tenant"]["slug"] for each in bodies} == set(names)


def test_what_an_endpoint_answers_is_kept_nowhere(receiver: Receiver) -> None:
    crossed(receiver)
    receiver.status, receiver.answer = 500, b"root:x:0:0"
    call()
    row = delivery()
    assert "root" not in json.dumps([row.last_error, row.event.data])


def test_under_another_pepper_a_secret_says_what_to_do(
    receiver: Receiver, settings: object
) -> None:
    crossed(receiver)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "WEBHOOK_SECRET_KEY", b"o" * 32)
        assert call() == 1
    assert delivery().last_error == "its secret cannot be opened: rotate it"
    assert receiver.received == []


def test_old_ones_are_given_up_and_then_forgotten(receiver: Receiver) -> None:
    crossed(receiver)
    with as_operator():
        services.pause_endpoint(endpoint=Endpoint.objects.get(), now=NOW)
        purging.purge(now=NOW + 3 * DAY)
        assert delivery().state == "waiting"
        purging.purge(now=NOW + 5 * DAY)
        assert delivery().state == "given_up"
        purging.purge(now=NOW + 89 * DAY)
        assert Event.objects.count() == 1
        assert purging.purge(now=NOW + 91 * DAY) == 2
        assert not Delivery.objects.exists()


def test_what_waits_for_a_removed_endpoint_is_dropped(receiver: Receiver) -> None:
    crossed(receiver)
    with as_operator():
        row = Endpoint.objects.get()
        services.remove_endpoint(endpoint=row, now=NOW)
        assert bytes(Endpoint.objects.get().sealed_secret) == b""
    assert call() == 0
    with as_operator():
        purging.purge(now=NOW)
    assert delivery().state == "dropped"
