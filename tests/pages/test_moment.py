"""All figures of a page are of one moment, though usage grows while it is read."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from kit.orm.roles import as_operator
from metering.usage.selectors import usage
from pages.finance import report
from tests.factories.accounts import make_operator, sign_in
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.pages.reading import tables


def commit_elsewhere(use: Use) -> None:
    """Commit a use on a connection of its own, as a gateway does."""

    def work() -> None:
        commit(make_epoch(started_at=use.admitted_at), use)
        connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as other:
        other.submit(work).result()


def test_chart_and_table_count_the_same_requests(
    fresh_database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dt.datetime.now(dt.UTC)
    with as_operator():
        operator = make_operator()
        use = make_use(price=make_price(), admitted_at=now)
    commit_elsewhere(use)
    asked = []

    def usage_while_it_grows(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        commit_elsewhere(use)
        return usage(*args, **kwargs)

    monkeypatch.setattr(report, "usage", usage_while_it_grows)
    client = sign_in(Client(), operator)
    around = {
        "from": (now - dt.timedelta(days=1)).date().isoformat(),
        "to": (now + dt.timedelta(days=1)).date().isoformat(),
    }
    found = tables(
        client.get("/finance/usage/", {**around, "show": "requests"}).content
    )

    assert len(asked) == 2
    assert found["By model"][-1][3] == "1"
    assert found["Requests by hour, by model"][-1][-1] == "1"
