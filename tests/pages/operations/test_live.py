"""The live page shows what gateways say, added up, and looks again by itself."""

from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone

from inference.control import services
from tests.admin import signed_in, words
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_tenant
from tests.pages.conftest import SignIn
from tests.pages.operations.pulses import make_pulse, well

LIVE = "/admin/live/"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def test_it_adds_up_what_all_gateways_say(admin: Client) -> None:
    now, tenant = timezone.now(), make_tenant(slug="acme")
    replica = make_replica(model=make_model(name="m"), name="gpu-1")
    services.update_replica(replica=replica, slots=8)
    of_it = f"replica.{replica.pk}."
    for gateway in ("gateway-1", "gateway-2"):
        make_pulse(
            gateway,
            now=now,
            running=3,
            tenants=[[tenant.pk, 3]],
            waiting={"m": 2},
            replicas=well(replica, running=3, foreign=3, filled_permille=640),
            counts={
                f"{of_it}output_tokens": 6000,
                f"{of_it}settled": 10,
                f"{of_it}failed": 1,
                f"{of_it}first_token_us.50000": 9,
                f"{of_it}first_token_us.100000": 1,
                "refused.rate_limit": 4,
            },
        )
    text = words(admin.get(LIVE).content)
    assert "Healthy replicas 1 of 1" in text
    assert "Running 6 requests, now" in text
    assert "Waiting 4 for a replica, now" in text
    assert "Output 200 tokens/s" in text
    assert "First token, p95 87 ms" in text
    assert "Refused 8 requests" in text
    assert "Engine failures 10 %" in text
    assert "gpu-1 m healthy 6 of 8 0 64 % 200 " in text
    assert "Rate limit 8" in text
    assert "acme 6" in text


def test_a_replica_that_one_gateway_misses_is_failing(admin: Client) -> None:
    now, replica = timezone.now(), make_replica(name="gpu-1")
    make_pulse("gateway-1", now=now, replicas=well(replica))
    make_pulse("gateway-2", now=now, replicas=well(replica, is_up=False))
    assert "failing up for 1 of 2 gateways" in words(admin.get(LIVE).content)


def test_one_that_is_silent_is_said_to_be(admin: Client) -> None:
    make_pulse("gateway-1", now=timezone.now(), age_s=60, running=9)
    text = words(admin.get(LIVE).content)
    assert "No gateway says that it runs." in text
    assert "gateway-1 silent" in text
    assert "Running 0 requests, now" in text


def test_it_looks_again_unless_it_is_held_still(admin: Client) -> None:
    moving = admin.get(f"{LIVE}?replicas-sort=-running").content.decode()
    assert 'hx-get="?replicas-sort=-running&amp;part=yes"' in moving
    part = admin.get(f"{LIVE}?replicas-sort=-running&part=yes").content.decode()
    assert "<html" not in part
    # What of it leads on is the page's own state, and not the part's.
    assert "part=yes" not in part
    still = admin.get(f"{LIVE}?still=yes").content.decode()
    assert "hx-get" not in still.partition('id="live"')[2].partition(">")[0]


def test_it_is_for_those_who_may_see_replicas(sign_in: SignIn) -> None:
    assert Client().get(LIVE).status_code == HTTPStatus.FOUND
    answer = sign_in("control.view_replica").get(LIVE)
    assert answer.status_code == HTTPStatus.OK
    # Whose requests run is no matter of replicas.
    assert "Top tenants" not in answer.content.decode()


def test_others_are_refused(sign_in: SignIn) -> None:
    for address in (LIVE, "/admin/routes/", "/admin/tenants/1/"):
        answer = Client().get(address)
        assert answer.status_code == HTTPStatus.FOUND
    client = sign_in("billing.view_invoice")
    for address in (LIVE, "/admin/routes/", "/admin/tenants/1/"):
        assert client.get(address).status_code == HTTPStatus.FORBIDDEN


def test_routes_say_what_each_replica_is_given(admin: Client) -> None:
    model = make_model(name="m")
    for name, slots in (("large", 30), ("small", 10)):
        replica = make_replica(model=model, name=name)
        services.update_replica(replica=replica, slots=slots)
    services.disable_replica(replica=make_replica(model=model, name="away"))
    make_model(name="lonely")
    text = words(admin.get("/admin/routes/").content)
    assert "large unknown 100 30 75.0 %" in text
    assert "small unknown 100 10 25.0 %" in text
    assert "away disabled 100 256 none" in text
    assert "lonely prefix aware no replica nobody serves it" in text
    assert admin.get("/admin/routes/?file=routes").content.count(b"\r\n") == 5
