"""Limits on their way to the gateways: what is published, by whom, and the mending.

The last word is a gateway's: what it resolves from the entries is what the API shows.
"""

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from psycopg.types.json import Jsonb

from inference.control import publication
from inference.control.compilation import Kind
from inference.control.models import Publication, PublicationVersion
from inference.routing.limit_rows import EPOCH
from inference.routing.limits import LimitsInForce
from inference.routing.snapshot import Snapshot
from kit.acting import Actor, ActorKind, acting_as
from kit.contracts import Caller
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator, as_tenant
from tenants import selectors
from tenants import services as tenants
from tenants.models import ApiKey, Budget, Quota, RateLimit
from tenants.services import Holder
from tests.databases import Database
from tests.factories.limits import (
    NOW,
    make_budget,
    make_plan,
    make_quota,
    make_rate_limit,
)
from tests.factories.tenants import make_key, make_project, make_tenant

DAY = dt.timedelta(days=1)
TOMORROW = NOW + DAY


def body(kind: Kind, key: object) -> Any:
    """Return what is published of an entry."""
    return Publication.objects.get(kind=kind, key=str(key)).body


@contextmanager
def acting_for(tenant_id: int) -> Iterator[None]:
    """Act as a tenant's token does: in its role, on its behalf."""
    actor = Actor(ActorKind.TENANT_TOKEN, 1, tenant_id=tenant_id)
    with acting_as(actor), as_tenant(tenant_id):
        yield


def version() -> int:
    """Return the version last given out."""
    return PublicationVersion.objects.get().version


def told(row: RateLimit | Quota | Budget, **fields: Any) -> dict[str, Any]:
    """Return what should be said of a limit; without `fields`, of a rate limit."""
    rate = {
        "id": row.pk,
        "kind": "rate_limit",
        "unit": "requests",
        "window": "minute",
        "currency": "",
        "model": "",
        "value": "100",
        "hard": True,
        "ends_at": None,
    }
    return rate | fields


@pytest.mark.usefixtures("operator_db")
class TestEntries:
    """One for each holder and side, one for each plan."""

    def test_what_is_set_for_a_tenant_a_project_and_a_key(self) -> None:
        key = make_key().row
        tenant, project = key.tenant, key.project
        of_key = make_rate_limit(api_key=key)
        of_project = make_quota(project=project, model="m", ends_at=TOMORROW)
        of_tenant = make_budget(10**30, tenant=tenant, is_hard=False)
        place = f"{tenant.pk}:api_key:{key.pk}:operator"
        assert body(Kind.LIMITS, place) == {"rows": [told(of_key)]}
        place = f"{tenant.pk}:project:{project.pk}:operator"
        quota = {"kind": "quota", "unit": "tokens", "window": "day", "value": "1000"}
        ends_at = (TOMORROW - EPOCH) // dt.timedelta(microseconds=1)
        expected = told(of_project, **quota, model="m", ends_at=ends_at)
        assert body(Kind.LIMITS, place) == {"rows": [expected]}
        place = f"{tenant.pk}:tenant:{tenant.pk}:operator"
        money = {"kind": "budget", "unit": "", "window": "month", "currency": "USD"}
        expected = told(of_tenant, **money, value=str(10**30), hard=False)
        assert body(Kind.LIMITS, place) == {"rows": [expected]}
        entries = Publication.objects.filter(kind=Kind.LIMITS)
        assert {entry.tenant_id for entry in entries} == {tenant.pk}

    def test_changes_and_ends(self) -> None:
        tenant = make_tenant()
        place = f"{tenant.pk}:tenant:{tenant.pk}:operator"
        rate, quota = make_rate_limit(tenant=tenant), make_quota(tenant=tenant)
        tenants.change_limit(limit=rate, now=NOW, value=7)
        assert [row["value"] for row in body(Kind.LIMITS, place)["rows"]] == [
            "7",
            "1000",
        ]
        tenants.end_limit(limit=rate, now=NOW)
        assert [row["id"] for row in body(Kind.LIMITS, place)["rows"]] == [quota.pk]
        with atomic():
            quota.delete()
        assert body(Kind.LIMITS, place) is None

    def test_a_plan_with_its_rows(self) -> None:
        plan = make_plan(is_default=True)
        assert body(Kind.PLAN, plan.pk) == {"is_default": True, "rows": []}
        rate = make_rate_limit(plan=plan, level="api_key")
        row = told(rate) | {"level": "api_key"}
        assert body(Kind.PLAN, plan.pk) == {"is_default": True, "rows": [row]}
        make_plan(is_default=True)
        assert body(Kind.PLAN, plan.pk) == {"is_default": False, "rows": [row]}
        tenants.end_limit(limit=rate, now=NOW)
        assert body(Kind.PLAN, plan.pk) == {"is_default": False, "rows": []}
        with atomic():
            RateLimit.objects.filter(pk=rate.pk).delete()
            key = plan.pk
            plan.delete()
        assert body(Kind.PLAN, key) is None

    def test_the_tenant_says_which_plan_it_is_on(self) -> None:
        tenant, plan = make_tenant(), make_plan()
        tenants.set_plan(tenant=tenant, plan=plan)
        assert body(Kind.TENANT, tenant.pk)["plan_id"] == plan.pk
        tenants.clear_plan(tenant=tenant)
        assert body(Kind.TENANT, tenant.pk)["plan_id"] is None

    def test_what_gateways_do_not_see_uses_no_version(self) -> None:
        plan, quota = make_plan(), make_quota(tenant=make_tenant())
        before = version()
        tenants.update_plan(plan=plan, name="Another name")
        tenants.change_limit(limit=quota, now=NOW, warn_at=[50])
        assert version() == before


@pytest.mark.usefixtures("operator_db")
class TestRepublish:
    """What went around the services is found and mended."""

    def test_it_does_nothing_when_all_is_told(self) -> None:
        key = make_key().row
        make_rate_limit(api_key=key)
        make_rate_limit(plan=make_plan())
        assert publication.republish() == 0

    def test_it_mends_what_differs_is_lost_or_has_no_row(self) -> None:
        changed = make_rate_limit(tenant=make_tenant())
        lost = make_quota(project=make_project())
        ended = make_budget(api_key=make_key().row)
        of_plan = make_rate_limit(plan=make_plan())
        assert lost.project is not None
        RateLimit.objects.update(value=1)
        Publication.objects.filter(
            key__contains=f":project:{lost.project_id}:"
        ).delete()
        Budget.objects.update(ended_at=NOW)
        assert publication.republish() == 4
        [row] = body(
            Kind.LIMITS, f"{changed.tenant_id}:tenant:{changed.tenant_id}:operator"
        )["rows"]
        assert row["value"] == "1"
        assert body(Kind.PLAN, of_plan.plan_id)["rows"][0]["value"] == "1"
        place = f"{ended.tenant_id}:api_key:{ended.api_key_id}:operator"
        assert body(Kind.LIMITS, place) is None
        assert publication.republish() == 0

    def test_many_cost_as_many_queries_as_one(self) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connections[OPERATOR]) as captured:
                assert publication.republish() == 0
            return len(captured)

        make_rate_limit(plan=make_plan())
        make_rate_limit(api_key=make_key().row)
        make_rate_limit(tenant=make_tenant())
        before = queries()
        for _ in range(4):
            make_rate_limit(tenant=make_tenant())
            make_rate_limit(plan=make_plan())
            make_rate_limit(api_key=make_key().row)
        assert queries() == before

    def test_it_works_in_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(publication, "CHUNK_ROWS", 2)
        for _ in range(5):
            make_rate_limit(tenant=make_tenant())
        Publication.objects.filter(kind=Kind.LIMITS).delete()
        assert publication.republish() == 5
        RateLimit.objects.update(ended_at=NOW)
        assert publication.republish() == 5


class TestTenants:
    """A tenant publishes what it sets itself, and touches nothing of the operators'."""

    @pytest.fixture(autouse=True)
    def _committed(self, fresh_database: Database) -> Iterator[None]:
        self.key = make_key().row
        self.operators = make_rate_limit(10, tenant=self.key.tenant)
        with psycopg.connect(fresh_database.url_for("app")) as app:
            self.app = app
            yield

    def place(self, side: str, level: str = "tenant", holder: int | None = None) -> str:
        """Return the key of an entry of the tenant."""
        tenant_id = self.key.tenant_id
        return f"{tenant_id}:{level}:{holder or tenant_id}:{side}"

    def test_its_own_limit_is_published_in_its_own_transaction(self) -> None:
        with acting_for(self.key.tenant_id):
            key = ApiKey.objects.get(pk=self.key.pk)
            rate = tenants.create_rate_limit(
                holder=Holder.of(tenant=key.tenant),
                now=NOW,
                unit="requests",
                window="minute",
                value=5,
            )
            tenants.create_rate_limit(
                holder=Holder.of(api_key=key),
                now=NOW,
                unit="tokens",
                window="day",
                value=6,
            )
        with as_operator():
            assert body(Kind.LIMITS, self.place("tenant"))["rows"][0]["value"] == "5"
            theirs = body(Kind.LIMITS, self.place("operator"))["rows"]
            assert [row["id"] for row in theirs] == [self.operators.pk]
            own = self.place("tenant", "api_key", self.key.pk)
            assert body(Kind.LIMITS, own)["rows"][0]["value"] == "6"
        with acting_for(self.key.tenant_id):
            tenants.end_limit(limit=rate, now=NOW)
        with as_operator():
            assert body(Kind.LIMITS, self.place("tenant")) is None

    def writes(self, key: str, body: object = None, **fields: Any) -> bool:
        """Tell whether the app role may write an entry, as the tenant."""
        entry = {
            "kind": "limits",
            "key": key,
            "body": None if body is None else Jsonb(body),
            "tenant_id": self.key.tenant_id,
            **fields,
        }
        with self.app.transaction(force_rollback=True):
            tenant_id = str(self.key.tenant_id)
            self.app.execute(
                "SELECT set_config('tollgate.tenant', %s, true)", [tenant_id]
            )
            try:
                self.app.execute(
                    """
                    INSERT INTO control_publication
                        (kind, key, version, body, tenant_id)
                    SELECT %(kind)s, %(key)s, version + 1, %(body)s, %(tenant_id)s
                      FROM control_publicationversion
                    ON CONFLICT (kind, key)
                    DO UPDATE SET version = excluded.version, body = excluded.body
                    """,
                    entry,
                )
            except psycopg.errors.InsufficientPrivilege:
                return False
        return True

    def test_the_database_keeps_it_to_its_own(self) -> None:
        other = make_tenant().pk
        assert self.writes(self.place("tenant"), {"rows": []})
        assert self.writes(self.place("tenant", "project", 5))
        me = self.key.tenant_id
        for key in (
            self.place("operator"),
            self.place("operator", "api_key", 5),
            self.place("tenant", "plan"),
            f"{other}:tenant:{other}:tenant",
            f"{me}{self.place('tenant')}",
            f"x{self.place('tenant')}",
            f"{self.place('tenant')}:operator",
            f"{self.place('tenant')}\n",
            f"{me}:tenant::tenant",
            "",
        ):
            assert not self.writes(key), key
        assert not self.writes(self.place("tenant"), tenant_id=other)
        assert not self.writes(self.place("tenant"), kind="plan")
        assert not self.writes(self.place("tenant"), kind="tenant")


async def _followed(database: Database) -> Snapshot:
    snapshot = Snapshot()
    url = database.url_for("gateway")
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await snapshot.refresh(connection)
    return snapshot


class TestGateway:
    """What a gateway makes of it all."""

    @pytest.fixture
    def key(self, fresh_database: Database) -> ApiKey:
        """Set limits at every level, of every kind, from both sides."""
        self.database = fresh_database
        key, plan = make_key().row, make_plan()
        with as_operator():
            tenants.set_plan(tenant=key.tenant, plan=plan)
            make_rate_limit(5, plan=plan, level="api_key")
            make_rate_limit(6, plan=plan, level="project", unit="tokens", is_hard=False)
            make_rate_limit(50, plan=make_plan(is_default=True), unit="tokens")
            make_rate_limit(7, api_key=key, ends_at=TOMORROW)
            make_quota(8, project=key.project, model="m")
            make_quota(9, project=key.project, model="other")
            make_budget(10**25, tenant=key.tenant)
            make_budget(1, plan=plan, currency="EUR")
        with acting_for(key.tenant_id):
            row = ApiKey.objects.select_related("tenant").get(pk=key.pk)
            tenants.create_budget(
                holder=Holder.of(tenant=row.tenant),
                now=NOW,
                window="month",
                amount_picos=10**24,
            )
        return key

    @pytest.mark.parametrize("days", [0, 2])
    def test_it_resolves_what_the_api_shows(self, key: ApiKey, days: int) -> None:
        now = NOW + days * DAY
        in_force = LimitsInForce(asyncio.run(_followed(self.database)))
        caller = Caller(key.tenant_id, key.project_id, key.pk, "USD")
        found = in_force.of(caller, "m", (now - EPOCH) // dt.timedelta(microseconds=1))
        expected = _shown(key, now)
        assert [rule.limit for rule in found.rates] == expected["rates"]
        assert [
            (place.level, place.holder_id, place.kind, place.unit, place.model)
            for place in found.budgets
        ] == expected["budgets"]


def _shown(key: ApiKey, now: dt.datetime) -> dict[str, list[Any]]:
    """Return what the selector of the API says: hard rates, all budgets and quotas."""
    with as_operator():
        tenant = type(key.tenant).objects.get(pk=key.tenant_id)
        chain = selectors.effective_limits(
            tenant=tenant, api_key=key, model="m", now=now
        ).chain
    rates = [each for each in chain if each.row.measure.kind == "rate_limit"]
    others = [each for each in chain if each not in rates]
    assert rates
    assert len(others) == 2
    return {
        "rates": [each.row.value for each in rates if each.row.is_hard],
        "budgets": [
            (
                each.row.level,
                each.holder_id,
                each.row.measure.kind.value,
                each.row.measure.unit,
                each.row.model,
            )
            for each in others
        ],
    }
