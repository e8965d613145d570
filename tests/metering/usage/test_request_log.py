"""The request log: its pages, what narrows it, whose it is, and how little it reads."""

import datetime as dt
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from kit.contracts import EventKind, EventStatus
from kit.handling import Handling, Keyed
from kit.orm.roles import OPERATOR
from metering.usage import request_log
from metering.usage.request_log_sql import PAGE
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
URL = "/api/v1/usage/requests/"


def ask(operator: Client, **query: str | int) -> Any:
    """Return a page that is answered."""
    response = operator.get(URL, query)
    assert response.status_code == 200, response.content
    return response.json()


def walk(operator: Client, **query: str | int) -> list[list[str]]:
    """Return the request ids of all pages, a list each."""
    page = ask(operator, **query)
    found = [[row["request_id"] for row in page["data"]]]
    while page["next"]:
        page = operator.get(page["next"]).json()
        found.append([row["request_id"] for row in page["data"]])
    return found


def joined(pages: list[list[str]]) -> list[str]:
    """Return the ids of all pages."""
    return list(chain.from_iterable(pages))


def used(count: int, **changes: Any) -> tuple[Use, list[str]]:
    """Commit requests of one tenant, a second apart; return ids, newest first."""
    use = make_use(price=make_price(), admitted_at=NOON)
    uses = [
        replace(use, admitted_at=NOON + number * SECOND, **changes)
        for number in range(count)
    ]
    events = commit(make_epoch(started_at=NOON), *uses)
    return use, [str(event.request_id) for event in reversed(events)]


def test_a_row_says_what_was_metered_and_what_is_left_of_it(operator: Client) -> None:
    use, (newest, oldest) = used(2)
    epoch = make_epoch(started_at=NOON)
    before = replace(use, admitted_at=NOON - SECOND)
    (event,) = commit(epoch, before)
    commit(epoch, undoing(event, before))

    first, second, third = ask(operator, tenant=use.tenant_id)["data"]

    assert (first["request_id"], second["request_id"]) == (newest, oldest)
    assert (third["charge"], third["net_charge"]) == (first["charge"], "0.00")
    assert first["net_charge_picos"] == first["charge_picos"] != "0"
    assert (first["status"], first["surface"]) == ("ok", "chat_completions")
    assert (first["first_token_ms"], first["duration_ms"]) == (1.0, 2.0)
    assert first["project"] == "default"
    assert first["admitted_at"] == "2026-11-10T12:00:01Z"
    assert [first["attempts"], first["idempotency_key"]] == [None, None]


def test_a_row_says_what_was_done_for_it(operator: Client) -> None:
    noted = Handling(2, 200, 64, Keyed.RETRY)
    use, _ = used(1, handling=noted)
    epoch = make_epoch(started_at=NOON)
    first = replace(
        use,
        admitted_at=NOON - SECOND,
        handling=replace(noted, attempts=1, keyed=Keyed.FIRST),
    )
    (event,) = commit(epoch, first)
    commit(epoch, replace(undoing(event, first), kind=EventKind.RETRY))

    retry, given_back = ask(operator, tenant=use.tenant_id)["data"]

    assert (retry["attempts"], retry["idempotency_key"]) == (2, "retry")
    assert (retry["held_input_tokens"], retry["held_output_tokens"]) == (200, 64)
    assert (given_back["attempts"], given_back["net_charge_picos"]) == (1, "0")
    assert given_back["idempotency_key"] == "given_back"


def test_pages_hold_every_request_once(operator: Client) -> None:
    use, ids = used(7)
    used(2)

    pages = walk(operator, tenant=use.tenant_id, limit=3)

    assert [len(page) for page in pages] == [3, 3, 1]
    assert joined(pages) == ids


def test_what_narrows_it(operator: Client) -> None:
    use, (last, middle, first) = used(3)
    other = replace(use, status=EventStatus.CLIENT_GONE, admitted_at=NOON - SECOND)
    (gone,) = commit(make_epoch(started_at=NOON), other)
    of = {"tenant": use.tenant_id}
    at = "2026-11-10T12:00:0"

    for query, expected in (
        ({"status": "client_gone"}, [str(gone.request_id)]),
        ({"request": middle}, [middle]),
        ({"start": f"{at}1Z"}, [last, middle]),
        ({"start": f"{at}0Z", "end": f"{at}1Z"}, [first]),
        ({"start": "2026-11-11", "end": "2026-11-12"}, []),
        ({"model": "another"}, []),
        ({"min_charge": "0.001056", "limit": 1}, [last]),
        ({"min_charge": "0.001057"}, []),
        ({"min_charge": "9" * 15}, []),
        ({"min_duration_ms": 2, "limit": 1}, [last]),
        ({"min_duration_ms": 3}, []),
        ({"key": use.api_key_id, "project": use.project_id, "limit": 1}, [last]),
    ):
        rows = ask(operator, **of, **query)["data"]
        assert [row["request_id"] for row in rows] == expected, query


def test_the_least_charge_is_what_is_left_of_it(operator: Client) -> None:
    """As each row and its summary say it: what was given back is spent no more."""
    use, kept = used(2)
    before = replace(use, admitted_at=NOON - SECOND)
    (event,) = commit(make_epoch(started_at=NOON), before)
    least: dict[str, str | int] = {"tenant": use.tenant_id, "min_charge": "0.001056"}
    assert len(ask(operator, **least)["data"]) == 3

    commit(make_epoch(started_at=NOON), undoing(event, before))

    rows = ask(operator, **least)["data"]
    assert [row["request_id"] for row in rows] == kept
    query = request_log.RequestQuery(
        tenant_id=use.tenant_id, charge_picos_min=1_000_000_000
    )
    assert request_log.summary(query).requests == 2


def test_something_rare_is_found_in_bounded_steps(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page looks at more than so many, and none is looked at twice or left out."""
    use, _ = used(11)
    rare = replace(use, status=EventStatus.DRAINED, admitted_at=NOON - SECOND)
    (event,) = commit(make_epoch(started_at=NOON), rare)
    monkeypatch.setattr(request_log, "SCANNED_MAX", 4)

    pages = walk(operator, tenant=use.tenant_id, status="drained", limit=2)

    assert pages[:2] == [[], []]
    assert joined(pages) == [str(event.request_id)]
    assert len(joined(walk(operator, tenant=use.tenant_id, limit=3))) == 12


def test_what_is_committed_meanwhile_pushes_nothing_out_of_a_page(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long stream ends, with its old id, between a page's bound and its rows."""
    use, ids = used(6)
    monkeypatch.setattr(request_log, "SCANNED_MAX", 4)
    read_bound = request_log._bound

    def bound_and_more(asked: Any) -> Any:
        bound = read_bound(asked)
        stream = replace(use, admitted_at=NOON + 4 * SECOND + SECOND / 2)
        commit(make_epoch(started_at=NOON), stream)
        return bound

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(request_log, "_bound", bound_and_more)
        page = ask(operator, tenant=use.tenant_id, limit=9)
    rest = operator.get(page["next"]).json()

    shown = [row["request_id"] for row in page["data"] + rest["data"]]
    assert [each for each in shown if each in ids] == ids


def test_a_page_reads_along_the_key(operator: Client) -> None:
    """Without sorting all of a tenant's events, and from no other tenant's."""
    use, _ = used(3)
    query = request_log.RequestQuery(tenant_id=use.tenant_id)
    asked = request_log._parameters(query, None)
    asked |= {"since": asked["since"], "size": 51}

    with connections[OPERATOR].cursor() as session:
        session.execute(f"EXPLAIN {PAGE}", asked)
        plan = "\n".join(row[0] for row in session.fetchall())

    reading, _ = plan.split("Aggregate", 1)
    assert "Seq Scan on usage_event" not in reading
    assert "Index Scan Backward using usage_event_2026_11_pkey" in reading
    assert f"tenant_id = {use.tenant_id}" in reading


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", "tenant"),
        ("tenant={tenant}&start=2026-11-10&end=2026-11-10", "end"),
        ("tenant={tenant}&status=fine", "status"),
        ("tenant={tenant}&request=1", "request"),
        ("tenant={tenant}&min_charge=a", "min_charge"),
        ("tenant={tenant}&min_duration_ms=-1", "min_duration_ms"),
        ("tenant={tenant}&project={other}", "tenant"),
        ("tenant={tenant}&cursor=cD0xMg==", "cursor"),
    ],
)
def test_what_makes_no_sense_is_refused(
    operator: Client, query: str, param: str
) -> None:
    use, _ = used(1)
    other = make_use(price=make_price(), admitted_at=NOON, tenant=make_tenant())

    response = operator.get(
        f"{URL}?{query.format(tenant=use.tenant_id, other=other.project_id)}"
    )

    assert response.status_code == 400, response.content
    assert response.json()["error"]["param"] == param
