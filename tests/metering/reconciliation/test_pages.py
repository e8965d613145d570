"""What operators see of reconciliation: the API, the admin, its front page."""

from typing import Any

import pytest
from django.test import Client

from metering.reconciliation import services
from metering.reconciliation.listing import where_to_look
from metering.reconciliation.models import Difference, Run
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from tests.admin import page, signed_in, words
from tests.factories.usage import make_epoch

RUNS = "/api/v1/reconciliation/"


def make_run(*, differing: bool = False) -> Run:
    now = database_now()
    if differing:
        epoch = make_epoch(started_at=now)
        Epoch.objects.filter(pk=epoch.pk).update(last_seq=2)
    services.verify_ledger(now=now)
    return services.reconcile(now=now)


def read(operator: Client, address: str, **query: str) -> Any:
    response = operator.get(address, query)
    assert response.status_code == 200, response.content
    return response.json()


def test_runs_are_listed_newest_first(operator: Client) -> None:
    run = make_run()

    listed = read(operator, RUNS)["data"]

    assert [each["kind"] for each in listed] == ["reconcile", "verify_ledger"]
    assert listed[0]["id"] == run.pk
    assert (listed[0]["state"], listed[0]["differences"]) == ("agrees", 0)
    assert listed[0]["start"] is not None
    assert listed[1]["start"] is None
    narrowed = read(operator, RUNS, kind="verify_ledger", state="agrees")["data"]
    assert [each["kind"] for each in narrowed] == ["verify_ledger"]
    assert read(operator, RUNS, state="differs")["data"] == []


def test_a_run_has_its_checks_and_its_chain(operator: Client) -> None:
    run = make_run()

    shown = read(operator, f"{RUNS}{run.pk}/")

    first = shown["checks"][0]
    assert first["name"] == "engines_counted"
    assert first["proves"].startswith("Engines counted the tokens that were metered")
    assert shown["steps"] == []


def test_differences_are_a_list_of_their_own(operator: Client) -> None:
    run = make_run(differing=True)
    address = f"{RUNS}{run.pk}/differences/"

    (found,) = read(operator, address)["data"]

    assert found["check"] == "epochs_numbered"
    assert (found["expected"], found["found"]) == ("2 events", "none")
    assert read(operator, address, check="epochs_settled")["data"] == []
    assert operator.get(f"{RUNS}999999/differences/").status_code == 404
    assert operator.get(address, {"check": "none"}).status_code == 400


@pytest.fixture
def admin(operator_db: None) -> Client:
    return signed_in()


def test_the_front_page_says_how_the_books_stand(admin: Client) -> None:
    assert "Books: not checked yet" in words(admin.get("/admin/").content)
    make_run()
    assert "ago, no difference" in words(admin.get("/admin/").content)

    run = make_run(differing=True)

    content = admin.get("/admin/").content
    assert "ago, 1 difference" in words(content)
    runs = Run.objects.filter(state=Run.State.DIFFERS)
    assert run in runs
    assert any(
        page("reconciliation_run", "change", each.pk) in content.decode()
        for each in runs
    )


def test_a_run_shows_what_differs_and_where_to_look(admin: Client) -> None:
    run = make_run(differing=True)

    listed = words(admin.get(page("reconciliation_run", "changelist")).content)
    content = admin.get(page("reconciliation_run", "change", run.pk)).content

    assert "differs" in listed
    assert "numbers 1 to 2" in words(content)
    assert page("usage_epoch", "changelist") in content.decode()
    assert "The events of every epoch are numbered 1 to its last" in words(content)


@pytest.mark.parametrize(
    ("name", "says"),
    [("engines_counted", "engine processes"), ("providers_agree", "operations")],
)
def test_where_to_look_is_said_in_words(name: str, says: str) -> None:
    assert says in words(where_to_look(name).encode())


@pytest.mark.parametrize("name", ["add", "change", "delete"])
def test_nothing_is_written_by_hand(admin: Client, name: str) -> None:
    run = make_run(differing=True)
    difference = Difference.objects.filter(run=run).get()
    for model, pk in (
        ("reconciliation_run", run.pk),
        ("reconciliation_difference", difference.pk),
    ):
        if (model, name) == ("reconciliation_run", "add"):
            # That asks for a run: see below.
            continue
        address = page(model, name, *([] if name == "add" else [pk]))
        assert admin.post(address, {"post": "yes"}).status_code == 403, address


def test_a_difference_has_a_page(admin: Client) -> None:
    run = make_run(differing=True)
    difference = Difference.objects.filter(run=run).get()
    address = page("reconciliation_difference", "change", difference.pk)
    assert "expected" in words(admin.get(address).content).lower()
    changelist = page("reconciliation_difference", "changelist")
    assert admin.get(changelist).status_code == 200
