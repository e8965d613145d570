"""Every change is an entry of its chain, in the change's own transaction."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections, transaction

from kit.acting import Actor, ActorKind, acting_as
from kit.orm.atomic import atomic
from kit.orm.roles import APP, OPERATOR, as_operator, as_tenant
from tenants import services
from tenants.models import AuditDetail, AuditEntry, AuditHead, Project, Tenant
from tests.factories.tenants import make_key, make_tenant

ACTOR = Actor(ActorKind.OPERATOR, 7, request_id="0198-test")


@pytest.mark.usefixtures("operator_db")
def test_a_change_says_who_did_what_to_which() -> None:
    tenant = make_tenant(name="Acme", billing_email="pay@acme.example")
    with acting_as(ACTOR):
        services.update_tenant(
            tenant=tenant, name="Acme Ltd", billing_email="new@acme.example"
        )
    entry = AuditEntry.objects.filter(chain=tenant.pk).latest("seq")
    assert (entry.actor_kind, entry.actor_id) == ("operator", 7)
    assert entry.request_id == "0198-test"
    assert (entry.action, entry.object_kind) == ("update", "tenant")
    assert entry.object_id == str(tenant.pk)
    assert (entry.before, entry.after) == ({"name": "Acme"}, {"name": "Acme Ltd"})
    detail = AuditDetail.objects.get(pk=entry.pk)
    assert detail.before == {"billing_email": "pay@acme.example"}
    assert detail.after == {"billing_email": "new@acme.example"}


@pytest.mark.usefixtures("operator_db")
def test_entries_are_numbered_and_linked() -> None:
    tenant = make_tenant()
    make_key(tenant=tenant)
    entries = list(AuditEntry.objects.filter(chain=tenant.pk).order_by("seq"))
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.object_kind for entry in entries] == [
        "tenant",
        "project",
        "api_key",
    ]
    assert [entry.previous for entry in entries] == [
        "",
        entries[0].digest,
        entries[1].digest,
    ]
    head = AuditHead.objects.get(pk=tenant.pk)
    assert (head.seq, head.digest) == (3, entries[2].digest)


@pytest.mark.usefixtures("operator_db")
def test_a_change_of_nothing_leaves_no_entry() -> None:
    tenant = make_tenant(name="Acme")
    before = AuditEntry.objects.count()
    services.update_tenant(tenant=tenant, name="Acme")
    assert AuditEntry.objects.count() == before


@pytest.mark.usefixtures("fresh_database")
def test_a_change_that_is_rolled_back_leaves_no_entry() -> None:
    tenant = make_tenant(name="Acme")
    with as_operator():
        before = AuditEntry.objects.count()
        with atomic():
            services.update_tenant(tenant=tenant, name="Other")
            assert AuditEntry.objects.count() == before + 1
            transaction.set_rollback(True, using=OPERATOR)
        assert AuditEntry.objects.count() == before
        assert Tenant.objects.get().name == "Acme"
        services.update_tenant(tenant=tenant, name="Third")
        assert services.verify_audit().differences == 0


@pytest.mark.usefixtures("fresh_database")
def test_a_tenant_writes_its_own_chain_and_sees_no_other() -> None:
    mine, other = make_tenant(), make_tenant()
    actor = Actor(ActorKind.TENANT_TOKEN, 3, tenant_id=mine.pk, member_id=5)
    with acting_as(actor), as_tenant(mine.pk):
        services.create_project(tenant=mine, slug="bot", name="Bot")
        assert {entry.chain for entry in AuditEntry.objects.all()} == {mine.pk}
        entry = AuditEntry.objects.latest("seq")
        assert (entry.actor_kind, entry.actor_id, entry.member_id) == (
            "tenant_token",
            3,
            5,
        )
        assert set(AuditHead.objects.values_list("pk", flat=True)) == {mine.pk}
    with as_operator():
        assert AuditEntry.objects.filter(chain=other.pk).exists()
        assert services.verify_audit().differences == 0


@pytest.mark.usefixtures("fresh_database")
def test_writers_at_once_leave_whole_chains() -> None:
    """Threads in both roles write two tenants' chains and the installation's."""
    one, other = make_tenant(), make_tenant()
    rounds, writers = 15, 6

    def write(number: int) -> None:
        tenant = (one, other)[number % 2]
        try:
            for round_ in range(rounds):
                role = as_operator() if number < 4 else as_tenant(tenant.pk)
                with role:
                    services.create_project(
                        tenant=tenant, slug=f"p-{number}-{round_}", name="Project"
                    )
        finally:
            connections[OPERATOR].close()
            connections[APP].close()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    with as_operator():
        verdict = services.verify_audit()
        assert (verdict.differences, verdict.chains) == (0, 2)
        # Each tenant and its default project were made first.
        assert verdict.entries == 2 * 2 + rounds * writers
        for tenant in (one, other):
            seqs = AuditEntry.objects.filter(chain=tenant.pk).values_list(
                "seq", flat=True
            )
            assert sorted(seqs) == list(range(1, 3 + rounds * writers // 2))


@pytest.mark.usefixtures("fresh_database")
def test_one_tenant_does_not_wait_for_another() -> None:
    one, other = make_tenant(), make_tenant()

    def write() -> None:
        try:
            with as_operator():
                services.create_project(tenant=other, slug="free", name="Not held up")
        finally:
            connections[OPERATOR].close()

    with ThreadPoolExecutor(1) as pool, as_operator(), atomic():
        services.create_project(tenant=one, slug="slow", name="Holds its chain")
        pool.submit(write).result(timeout=30)
    with as_operator():
        assert Project.objects.filter(slug="free").exists()
