"""Objects have versions: what is read is held against what is written."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import get_resolver

from kit.drf.versions import etag_of
from kit.drf.views import ManagementViewSet
from kit.orm.roles import OPERATOR, as_operator
from metering.pricing.api.examples import NEW_PRICE
from tests.api.callers import Callers
from tests.concurrency import wait_until_blocked
from tests.factories.control import make_model, make_replica
from tests.factories.pricing import make_book
from tests.factories.tenants import make_key, make_project, make_tenant

API = "/api/v1/"


def patch(client: Client, path: str, body: Any, version: str | None = None) -> Any:
    """Send a change, to a version if one is given."""
    headers = {} if version is None else {"If-Match": version}
    return client.patch(
        API + path, body, content_type="application/json", headers=headers
    )


def make_objects() -> dict[str, dict[str, Any]]:
    """Make one object of each kind that can change; return a change of each."""
    return {
        f"tenants/{make_tenant().pk}/": {"name": "New"},
        f"projects/{make_project().pk}/": {"name": "New"},
        f"keys/{make_key().row.pk}/": {"name": "New"},
        f"models/{make_model().pk}/": {"description": "New"},
        f"replicas/{make_replica().pk}/": {"url": "http://10.0.0.9"},
    }


def test_every_object_is_changed_in_the_version_that_was_read(
    operator: Client,
) -> None:
    for path, change in make_objects().items():
        read = operator.get(API + path)
        changed = patch(operator, path, change, read["ETag"])
        assert changed.status_code == 200, (path, changed.content)
        assert changed["ETag"] == operator.get(API + path)["ETag"] != read["ETag"]
        late = patch(operator, path, change, read["ETag"])
        assert late.status_code == 412
        assert late.json()["error"]["param"] == "If-Match"
        assert "Read it again" in late.json()["error"]["message"]


def test_a_late_change_changes_nothing(operator: Client) -> None:
    path = f"tenants/{make_tenant().pk}/"
    version = operator.get(API + path)["ETag"]
    patch(operator, path, {"name": "Now"}, version)
    patch(operator, path, {"name": "Too late"}, version)
    assert operator.get(API + path).json()["name"] == "Now"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("*", 200),
        ('"other", {etag}', 200),
        ("W/{etag}", 412),
        ('"other"', 412),
        ("unquoted", 400),
        ("", 400),
    ],
)
def test_if_match_is_read_as_the_standard_says(
    operator: Client, sent: str, status: int
) -> None:
    path = f"tenants/{make_tenant().pk}/"
    etag = operator.get(API + path)["ETag"]
    answer = patch(operator, path, {"name": "New"}, sent.format(etag=etag))
    assert answer.status_code == status, answer.content


def test_an_action_is_held_to_a_version_too(operator: Client) -> None:
    path = f"{API}tenants/{make_tenant().pk}/"
    late = operator.post(f"{path}suspend/", headers={"If-Match": '"other"'})
    assert late.status_code == 412
    assert operator.get(path).json()["state"] == "active"
    version = operator.get(path)["ETag"]
    now = operator.post(f"{path}suspend/", headers={"If-Match": version})
    assert now.json()["state"] == "suspended"


def test_a_version_of_a_draft_is_found_by_its_book_and_number(
    operator: Client,
) -> None:
    with as_operator():
        book = make_book()
    versions = f"{API}price-books/{book.pk}/versions/"
    draft = {"effective_at": "2099-01-01T00:00:00Z", "copy_from": None}
    operator.post(versions, draft, content_type="application/json")
    one = operator.get(f"{versions}1/")
    prices = {"prices": [NEW_PRICE]}
    answers = [
        operator.put(
            f"{versions}1/prices/",
            prices,
            content_type="application/json",
            headers={"If-Match": one["ETag"]},
        )
        for _ in range(2)
    ]
    assert [each.status_code for each in answers] == [200, 412], answers[0].content


@pytest.mark.parametrize("path", ["tenants/", "keys/"])
def test_a_condition_on_nothing_is_400_and_not_ignored(
    operator: Client, path: str
) -> None:
    refused = operator.post(
        API + path, {}, content_type="application/json", headers={"If-Match": "*"}
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "If-Match"


def test_what_was_seen_is_304(operator: Client) -> None:
    path = f"{API}tenants/{make_tenant().pk}/"
    read = operator.get(path)
    weak = f"W/{read['ETag']}"
    for held in (read["ETag"], weak, f'"x", {read["ETag"]}', "*"):
        again = operator.get(path, headers={"If-None-Match": held})
        assert again.status_code == 304, held
        assert again.content == b""
        assert again["ETag"] == read["ETag"]
    other = operator.get(path, headers={"If-None-Match": '"other"'})
    assert other.status_code == 200
    assert "private" in read["Cache-Control"]
    assert "Authorization" in read["Vary"]


def test_what_use_alone_changes_is_no_new_version() -> None:
    one, two = {"id": 1, "used": "now"}, {"id": 1, "used": "then"}
    assert etag_of(one, {"used"}) == etag_of(two, {"used"})
    assert etag_of(one) != etag_of(two)


def test_of_two_changes_of_one_version_exactly_one_is_made(caller: Callers) -> None:
    tenant = make_tenant()
    clients = [caller(tenant=tenant), caller()]
    path = f"tenants/{tenant.pk}/"
    version = clients[0].get(API + path)["ETag"]

    def change(client: Client, name: str) -> Any:
        try:
            return patch(client, path, {"name": name}, version)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with connections[OPERATOR].cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(
                "SELECT FROM tenants_tenant WHERE id = %s FOR UPDATE", [tenant.pk]
            )
            running = [
                pool.submit(change, client, name)
                for client, name in zip(clients, ("One", "Two"), strict=True)
            ]
            wait_until_blocked(2)
            cursor.execute("COMMIT")
        answers = [each.result(timeout=30) for each in running]
    assert sorted(each.status_code for each in answers) == [200, 412]
    made = next(each for each in answers if each.status_code == 200)
    assert clients[1].get(API + path).json() == made.json()


def test_every_object_that_can_change_says_what_is_locked() -> None:
    """A viewset whose writes could not be held to a version would be found here."""
    for view, actions in viewsets():
        on_one = {"partial_update", "update"} & actions
        if "retrieve" in actions and on_one:
            assert view.locks is not None, view
            assert issubclass(view, ManagementViewSet)


def viewsets() -> list[tuple[Any, set[str]]]:
    """List the viewsets of the API with all of their actions."""
    found: dict[Any, set[str]] = {}

    def walk(patterns: list[Any]) -> None:
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns)
            elif hasattr(pattern.callback, "actions"):
                view = pattern.callback.cls
                found.setdefault(view, set()).update(pattern.callback.actions.values())

    walk(get_resolver().url_patterns)
    assert len(found) > 5
    return list(found.items())
