"""What tenants write themselves reaches the gateways, and nothing of another's does.

Services run in the tenant's role here, against a running gateway; what the database
refuses is tried with plain SQL, as if a query had been bent.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import ProgrammingError
from django.db.transaction import set_rollback
from django.utils import timezone
from psycopg.types.json import Jsonb

from inference.control import publication
from inference.control.models import PublicationVersion
from kit.orm.roles import APP, OWNER, as_operator, as_tenant
from kit.orm.saving import change
from tenants import services as tenants
from tenants.models import ApiKey, Project, Tenant
from tests.databases import Database
from tests.factories.tenants import make_key
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.metered import MeteredGateway, metered_gateway, seed
from tests.inference.gateway.polling import wait_until

INSERT = """
INSERT INTO control_publication (kind, key, version, body, tenant_id)
VALUES (%(kind)s, %(key)s, %(version)s, %(body)s, %(tenant_id)s)
ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, body = excluded.body
"""
REFUSED = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.RestrictViolation,
)


@pytest.fixture
def gateway(fresh_database: Database) -> Iterator[MeteredGateway]:
    """Give a gateway that serves one tenant."""
    with running_simulator() as simulator:
        issued = seed(simulator.base_url)
        with metered_gateway(fresh_database, issued) as running:
            yield running


def test_a_tenants_own_writes_reach_the_gateway(gateway: MeteredGateway) -> None:
    tenant_id = gateway.issued.row.tenant_id

    def models(key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        return gateway.client.get("/v1/models", headers=headers).status_code

    with as_tenant(tenant_id):
        tenant = Tenant.objects.get()
        project = Project.objects.get()
        issued = tenants.issue_key(tenant=tenant, project=project, name="own")
        other = tenants.issue_key(tenant=tenant, project=project, name="other")
        # Nothing that gateways know of a tenant changes, so nothing of it is written.
        tenants.update_tenant(tenant=tenant, name="Another name")
    wait_until(lambda: models(issued.key) == 200)
    with as_tenant(tenant_id):
        change(issued.row, {"scopes": ["generate"]})
    wait_until(lambda: models(issued.key) == 403)
    with as_tenant(tenant_id):
        tenants.revoke_key(api_key=issued.row, now=timezone.now())
    wait_until(lambda: models(issued.key) == 401)
    assert models(other.key) == 200
    with as_tenant(tenant_id):
        tenants.archive_project(project=project, now=timezone.now())
    wait_until(lambda: models(other.key) == 401)


def test_a_tenant_that_was_published_before_may_change_all_the_same(
    fresh_database: Database,
) -> None:
    """Its entry said less then: the migration that adds to it fills that in."""
    row = make_key().row

    def rename(name: str) -> None:
        with as_tenant(row.tenant_id):
            tenants.update_tenant(tenant=Tenant.objects.get(), name=name)

    call_command("migrate", "control", "0007", verbosity=0, database=OWNER)
    with pytest.raises(ProgrammingError, match="row-level security"):
        rename("Too early")
    call_command("migrate", "control", verbosity=0, database=OWNER)
    rename("Another name")
    with as_operator():
        assert publication.republish() == 0


def test_a_tenants_write_that_is_undone_is_not_published(
    fresh_database: Database,
) -> None:
    row = make_key().row
    with as_operator():
        before = PublicationVersion.objects.get().version

    with as_tenant(row.tenant_id):
        tenants.revoke_key(api_key=row, now=timezone.now())
        assert PublicationVersion.objects.get().version == before + 1
        set_rollback(True, using=APP)
    with as_operator():
        assert PublicationVersion.objects.get().version == before
        assert ApiKey.objects.get(pk=row.pk).revoked_at is None


class TestRefusals:
    """What the database refuses the app role, whatever the code asks."""

    @pytest.fixture(autouse=True)
    def _two_tenants(self, fresh_database: Database) -> Iterator[None]:
        self.mine, self.theirs = make_key().row, make_key().row
        with as_operator():
            self.next = PublicationVersion.objects.get().version + 1
        with psycopg.connect(fresh_database.url_for("app")) as app:
            self.app = app
            yield

    def as_mine(self, statement: str, values: Any = None) -> Any:
        """Run a statement in a transaction of the first tenant, and undo it."""
        with self.app.transaction(force_rollback=True):
            tenant_id = str(self.mine.tenant_id)
            self.app.execute(
                "SELECT set_config('tollgate.tenant', %s, true)", [tenant_id]
            )
            done = self.app.execute(statement.encode(), values)
            return done.fetchall() if done.description else done.rowcount

    def entry(self, **fields: Any) -> dict[str, Any]:
        """Return an entry of the first tenant's key, with these fields over it."""
        body = fields.pop("body", {"tenant_id": self.mine.tenant_id})
        return {
            "kind": "api_key",
            "key": self.mine.digest,
            "version": self.next,
            "tenant_id": self.mine.tenant_id,
            "body": None if body is None else Jsonb(body),
            **fields,
        }

    def refuses(self, **fields: Any) -> bool:
        """Tell whether the first tenant may not write such an entry."""
        try:
            self.as_mine(INSERT, self.entry(**fields))
        except REFUSED:
            return True
        return False

    def test_it_sees_its_own_entries_alone(self) -> None:
        seen = self.as_mine("SELECT kind, key FROM control_publication")
        assert sorted(seen) == [
            ("api_key", self.mine.digest),
            ("tenant", str(self.mine.tenant_id)),
        ]

    def test_it_writes_its_own_keys(self) -> None:
        assert self.as_mine(INSERT, self.entry()) == 1
        assert self.as_mine(INSERT, self.entry(body=None)) == 1
        assert self.as_mine(INSERT, self.entry(key="new")) == 1

    def test_it_writes_nothing_else(self) -> None:
        me, they = self.mine.tenant_id, self.theirs.tenant_id
        told = {"slug": "x", "active": True, "currency": "USD"}
        forged: dict[str, dict[str, Any]] = {
            "another's key": {"key": self.theirs.digest},
            "a key as another's": {"key": "new", "tenant_id": they},
            "a key that acts for another": {"key": "new", "body": {"tenant_id": they}},
            "a key that acts for nobody": {"key": "new", "body": {}},
            "nobody's key": {"key": "new", "tenant_id": None},
            "itself, restored": {"kind": "tenant", "key": str(me), "body": told},
            "another tenant": {"kind": "tenant", "key": str(they), "body": told},
            "a tenant to come": {"kind": "tenant", "key": "999", "body": told},
            "a model": {"kind": "model", "key": "m", "body": {}},
            "a replica": {"kind": "replica", "key": "9", "body": {}},
            "an old version": {"version": self.next - 1},
            "a version to come": {"version": self.next + 1},
        }
        assert [
            what for what, fields in forged.items() if not self.refuses(**fields)
        ] == []

    def test_it_takes_nothing_away(self) -> None:
        with pytest.raises(REFUSED):
            self.as_mine("DELETE FROM control_publication")
        with pytest.raises(REFUSED):
            self.as_mine("UPDATE control_publication SET tenant_id = 1")
        theirs = "UPDATE control_publication SET body = NULL WHERE key = %s"
        assert self.as_mine(theirs, [self.theirs.digest]) == 0
        tenant = "UPDATE control_publication SET body = NULL WHERE kind = 'tenant'"
        assert self.as_mine(tenant) == 0

    @pytest.mark.parametrize("step", [-1, 0, 2, 1_000_000])
    def test_the_version_goes_up_by_one_alone(self, step: int) -> None:
        raised = "UPDATE control_publicationversion SET version = version + %s"
        assert self.as_mine(raised, [1]) == 1
        with pytest.raises(REFUSED):
            self.as_mine(raised, [step])
        with pytest.raises(REFUSED):
            self.as_mine("DELETE FROM control_publicationversion")

    def test_no_tenant_set_sees_and_writes_nothing(self) -> None:
        with self.app.transaction():
            seen = self.app.execute("SELECT FROM control_publication").fetchall()
            assert seen == []
        with pytest.raises(REFUSED), self.app.transaction():
            self.app.execute(INSERT, self.entry())


def test_operators_are_held_to_the_order_too(fresh_database: Database) -> None:
    make_key()
    with (
        psycopg.connect(fresh_database.url_for("operator")) as operator,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        operator.execute("UPDATE control_publicationversion SET version = 0")
