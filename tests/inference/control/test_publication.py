"""What is published, when, and in which order gateways see it.

Bodies are checked in a rolled-back transaction; order, atomicity and announcements with
committed writes and the gateway's own role.
"""

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections
from django.db.transaction import TransactionManagementError, set_rollback
from django.utils import timezone

from inference.control import publication, services
from inference.control.compilation import Kind
from inference.control.models import (
    Publication,
    PublicationVersion,
    Replica,
    ServedModel,
)
from inference.control.tasks import republish as republish_task
from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from kit.orm.saving import change
from tenants import services as tenants
from tenants.models import ApiKey, Project, Tenant
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_key, make_project, make_tenant

EXPIRY = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def body(kind: Kind, key: object) -> Any:
    """Return what is published of an entry."""
    return Publication.objects.get(kind=kind, key=str(key)).body


def version() -> int:
    """Return the version last given out."""
    return PublicationVersion.objects.get().version


@pytest.mark.usefixtures("operator_db")
class TestBodies:
    """The shapes that gateways read."""

    def test_tenant(self) -> None:
        tenant = make_tenant(slug="acme", currency="EUR")
        told = {
            "slug": "acme",
            "active": True,
            "currency": "EUR",
            "plan_id": None,
            "prepaid": False,
        }
        assert body(Kind.TENANT, tenant.pk) == told
        tenants.suspend_tenant(tenant=tenant)
        assert body(Kind.TENANT, tenant.pk) == {**told, "active": False}

    def test_api_key(self) -> None:
        row = make_key().row
        told: dict[str, Any] = {
            "api_key_id": row.pk,
            "project_id": row.project_id,
            "tenant_id": row.tenant_id,
            "expires_at": None,
            "scopes": ["embed", "generate", "models"],
            "models": [],
            "networks": [],
        }
        assert body(Kind.API_KEY, row.digest) == told
        tenants.update_key(api_key=row, expires_at=EXPIRY)
        told["expires_at"] = EXPIRY.timestamp()
        assert body(Kind.API_KEY, row.digest) == told
        kept_to = {
            "scopes": ["models", "generate"],
            "allowed_models": ["b", "a"],
            "allowed_networks": ["10.0.0.0/8"],
        }
        change(row, kept_to)
        assert body(Kind.API_KEY, row.digest) == told | {
            "scopes": ["generate", "models"],
            "models": ["a", "b"],
            "networks": ["10.0.0.0/8"],
        }
        change(row, {"disabled_at": timezone.now()})
        assert body(Kind.API_KEY, row.digest) is None
        change(row, {"disabled_at": None})
        assert body(Kind.API_KEY, row.digest) is not None
        tenants.revoke_key(api_key=row, now=timezone.now())
        assert body(Kind.API_KEY, row.digest) is None

    def test_keys_follow_their_project_into_the_archive(self) -> None:
        project = make_project()
        keys = [make_key(project=project).row.digest for _ in range(3)]
        other = make_key().row.digest
        tenants.archive_project(project=project, now=timezone.now())
        assert [body(Kind.API_KEY, key) for key in keys] == [None] * 3
        assert body(Kind.API_KEY, other) is not None

    def test_model(self) -> None:
        model = make_model(
            name="demo",
            context_tokens=8192,
            max_output_tokens=100,
            tokenizer="cl100k_base",
        )
        told = {
            "id": model.pk,
            "context_tokens": 8192,
            "max_output_tokens": 100,
            "tokenizer": "cl100k_base",
            "tasks": ["chat", "completion"],
            "created": int(model.created_at.timestamp()),
        }
        assert body(Kind.MODEL, "demo") == told
        services.update_model(model=model, modalities=["text", "image"])
        assert body(Kind.MODEL, "demo") == {**told, "modalities": ["image", "text"]}
        services.update_model(model=model, modalities=["text"])
        services.update_model(model=model, max_output_tokens=None)
        assert body(Kind.MODEL, "demo") == {**told, "max_output_tokens": None}
        services.disable_model(model=model)
        assert body(Kind.MODEL, "demo") is None
        services.enable_model(model=model)
        assert body(Kind.MODEL, "demo") == {**told, "max_output_tokens": None}

    def test_a_model_may_name_a_tokenizer_of_the_installation_s_own(
        self, settings: Any, tmp_path: Path
    ) -> None:
        settings.TOKENIZER_DIR = tmp_path
        model = make_model(name="demo")
        with pytest.raises(InvalidRequest):
            services.update_model(model=model, tokenizer="mine")
        (tmp_path / "mine.json").write_text("{}")
        services.update_model(model=model, tokenizer="mine")
        assert body(Kind.MODEL, "demo")["tokenizer"] == "mine"

    def test_replica(self) -> None:
        replica = make_replica(model=make_model(name="demo"), name="engine-1")
        told = {
            "model": "demo",
            "name": "engine-1",
            "url": replica.url,
            "dialect": "vllm",
            "upstream_model": "demo",
            "credential": "",
            "auth": "bearer",
            "options": {},
            "state": "active",
        }
        assert body(Kind.REPLICA, replica.pk) == told
        services.update_replica(replica=replica, upstream_model="org/demo")
        told["upstream_model"] = "org/demo"
        services.drain_replica(replica=replica)
        assert body(Kind.REPLICA, replica.pk) == {**told, "state": "draining"}
        services.disable_replica(replica=replica)
        assert body(Kind.REPLICA, replica.pk) is None


@pytest.mark.usefixtures("operator_db")
class TestEconomy:
    """Nothing is written that says nothing new."""

    def test_a_change_that_gateways_do_not_see_uses_no_version(self) -> None:
        tenant, project = make_tenant(), make_project()
        before = version()
        tenants.update_tenant(tenant=tenant, name="Another name")
        tenants.rename_project(project=project, name="Another name")
        tenants.restore_tenant(tenant=tenant)
        assert version() == before

    def test_revoking_twice_publishes_once(self) -> None:
        row = make_key().row
        tenants.revoke_key(api_key=row, now=timezone.now())
        before = version()
        tenants.revoke_key(api_key=row, now=timezone.now())
        assert version() == before

    def test_one_save_of_many_keys_is_one_version(self) -> None:
        project = make_project()
        for _ in range(3):
            make_key(project=project)
        before = version()
        tenants.archive_project(project=project, now=timezone.now())
        assert version() == before + 1


@pytest.mark.usefixtures("operator_db")
class TestRepublish:
    """What went around the services is found and mended."""

    def test_it_does_nothing_when_all_is_told(self) -> None:
        make_replica()
        make_key()
        before = version()
        assert publication.republish() == 0
        assert version() == before

    def test_it_mends_bulk_writes_of_every_kind(self) -> None:
        replica, key = make_replica(), make_key().row
        Tenant.objects.filter(pk=key.tenant_id).update(state=Tenant.State.SUSPENDED)
        ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
        Replica.objects.filter(pk=replica.pk).update(state=Replica.State.DRAINING)
        ServedModel.objects.filter(pk=replica.model_id).update(context_tokens=5)
        assert publication.republish() == 4
        assert body(Kind.TENANT, key.tenant_id)["active"] is False
        assert body(Kind.API_KEY, key.digest) is None
        assert body(Kind.REPLICA, replica.pk)["state"] == "draining"
        assert body(Kind.MODEL, replica.model.name)["context_tokens"] == 5
        assert publication.republish() == 0

    def test_it_withdraws_what_has_no_row_and_tells_what_was_lost(self) -> None:
        model, key = make_model(name="before"), make_key().row
        ServedModel.objects.filter(pk=model.pk).update(name="after")
        Publication.objects.filter(key=key.digest).delete()
        assert publication.republish() == 3
        assert body(Kind.MODEL, "before") is None
        assert body(Kind.MODEL, "after")["id"] == model.pk
        assert body(Kind.API_KEY, key.digest)["api_key_id"] == key.pk

    def test_it_works_in_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(publication, "CHUNK_ROWS", 2)
        project = make_project()
        keys = [make_key(project=project).row for _ in range(5)]
        Publication.objects.filter(kind=Kind.API_KEY).delete()
        assert publication.republish() == 5
        Project.objects.filter(pk=project.pk).update(archived_at=timezone.now())
        assert publication.republish() == 5
        assert [body(Kind.API_KEY, key.digest) for key in keys] == [None] * 5

    def test_the_task_runs_as_operator(self) -> None:
        tenant = make_tenant()
        Publication.objects.all().delete()
        republish_task()
        assert body(Kind.TENANT, tenant.pk)["slug"] == tenant.slug


class TestTransactions:
    """The write and its publication are one."""

    @pytest.fixture(autouse=True)
    def _committed(self, fresh_database: Any) -> None:
        self.database = fresh_database

    def test_a_rolled_back_write_publishes_nothing(self) -> None:
        make_tenant()
        with as_operator():
            before = version(), Publication.objects.count()
            told = _roll_back(lambda: tenants.create_tenant(slug="gone", name="Gone"))
            assert told > before[0]
            assert (version(), Publication.objects.count()) == before

    def test_a_failed_publication_undoes_the_write(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*args: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(publication, "_announce", broken)
        with as_operator():
            with pytest.raises(RuntimeError):
                tenants.create_tenant(slug="gone", name="Gone")
            assert not Tenant.objects.exists()

    def test_a_save_outside_of_a_transaction_is_refused_before_it_happens(self) -> None:
        with as_operator():
            with pytest.raises(TransactionManagementError, match="service"):
                Tenant.objects.create(slug="bare", name="Bare")
            assert not Tenant.objects.exists()

    def test_deleting_withdraws(self) -> None:
        replica = make_replica()
        with as_operator(), atomic():
            key = replica.pk
            replica.delete()
            assert body(Kind.REPLICA, key) is None

    def test_commits_are_announced_and_rollbacks_are_not(self) -> None:
        url = self.database.url_for("gateway")
        with psycopg.connect(url, autocommit=True) as gateway:
            gateway.execute(f"LISTEN {publication.CHANNEL}")
            with as_operator():
                _roll_back(lambda: tenants.create_tenant(slug="gone", name="Gone"))
                tenants.create_tenant(slug="acme", name="Acme")
                told = version()
            notice = next(gateway.notifies(timeout=10, stop_after=1))
        assert (notice.channel, notice.payload) == (publication.CHANNEL, str(told))

    def test_a_gateway_may_read_publications_and_nothing_beside(self) -> None:
        key = make_key().row
        url = self.database.url_for("gateway")
        with psycopg.connect(url, autocommit=True) as gateway:
            rows = gateway.execute("SELECT key FROM control_publication").fetchall()
            assert (key.digest,) in rows
            for statement in (
                "DELETE FROM control_publication",
                "SELECT digest FROM tenants_apikey",
                "SELECT * FROM tenants_tenant",
                "SELECT * FROM control_replica",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    gateway.execute(statement)

    def test_a_second_publication_waits_and_comes_above_the_first(self) -> None:
        """Had both one version, a reader of the first would miss the second."""
        with ThreadPoolExecutor(1) as pool, as_operator():
            with atomic():
                first = make_model(name="first")
                publishing = pool.submit(
                    as_another_operator, lambda: make_model(name="second")
                )
                wait_until_blocked()
                mine = Publication.objects.get(kind=Kind.MODEL, key=first.name)
            assert publishing.result(timeout=30) is None
            other = Publication.objects.get(kind=Kind.MODEL, key="second")
            assert other.version == mine.version + 1 == version()

    def test_readers_above_a_version_miss_nothing_while_many_write(self) -> None:
        """Follow as a gateway does: in the end it knows all, in gapless versions."""
        writers, each = 4, 12
        keys = [make_key().row for _ in range(writers)]
        with as_operator():
            start = version()
        seen, applied, told = 0, {}, []
        done = threading.Event()

        def write(row: ApiKey) -> None:
            try:
                with as_operator():
                    for number in range(each):
                        tenants.update_key(
                            api_key=row, expires_at=EXPIRY + dt.timedelta(days=number)
                        )
            finally:
                connections[OPERATOR].close()

        url = self.database.url_for("gateway")
        with (
            ThreadPoolExecutor(writers) as pool,
            psycopg.connect(url, autocommit=True) as gateway,
        ):
            work = [pool.submit(write, key) for key in keys]
            for task in work:
                task.add_done_callback(
                    lambda _: done.set() if all(w.done() for w in work) else None
                )
            last_round = False
            while not last_round:
                last_round = done.is_set()
                rows = gateway.execute(
                    "SELECT version, kind, key, body FROM control_publication"
                    " WHERE version > %s ORDER BY version",
                    [seen],
                ).fetchall()
                for number, kind, key, content in rows:
                    applied[kind, key] = content
                    seen = number
                    told.append(number)
            for task in work:
                task.result()
        assert told == sorted(told)
        with as_operator():
            assert seen == version() == start + writers * each
            for entry in Publication.objects.all():
                assert applied[entry.kind, entry.key] == entry.body

    def test_versions_are_used_without_gaps(self) -> None:
        with as_operator():
            make_key()
            for _ in range(3):
                _roll_back(make_key)
            make_replica()
            used = Publication.objects.order_by("version").values_list("version")
            assert [number for (number,) in used] == list(range(1, version() + 1))

    def test_a_key_issued_beside_an_archiving_is_not_published(self) -> None:
        """Whoever comes second, the key of an archived project opens nothing."""
        project = make_project()
        with ThreadPoolExecutor(1) as pool, as_operator():
            with atomic():
                tenants.archive_project(project=project, now=timezone.now())
                issuing = pool.submit(
                    as_another_operator, lambda: make_key(project=project)
                )
                wait_until_blocked()
            assert "archived" in str(issuing.result(timeout=30))
            assert not Publication.objects.filter(kind=Kind.API_KEY).exists()


def _roll_back(write: Callable[[], object]) -> int:
    """Write, roll back, and return the version that was reached in between."""
    with atomic():
        write()
        reached = version()
        set_rollback(True, using=OPERATOR)
    return reached
