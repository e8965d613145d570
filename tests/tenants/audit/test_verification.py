"""Every way to change the audit is found; what was not changed is not."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from kit.orm.roles import as_operator
from tenants import services
from tenants.audit import anchors
from tenants.audit.verdict import Kind, Verdict
from tenants.models import AuditAnchor, Tenant
from tests.databases import Database, Role
from tests.factories.tenants import make_tenant
from tests.tenants.audit.tampering import COPY, superuser

CHAIN_LENGTH = 8
Edit = Callable[[str], None]


@pytest.fixture
def tenant(fresh_database: Database) -> Tenant:
    """Provide a tenant with a chain of eight entries, beside another's."""
    make_tenant()
    made = make_tenant(billing_email="first@acme.example")
    with as_operator():
        for number in range(3):
            services.update_tenant(tenant=made, name=f"Name {number}")
        for number in range(3):
            services.update_tenant(tenant=made, billing_email=f"{number}@acme.example")
    return made


@pytest.fixture
def edit(fresh_database: Database, tenant: Tenant) -> Edit:
    """Provide the superuser's hand on the tenant's chain."""

    def execute(statement: str) -> None:
        with superuser(fresh_database) as connection:
            named = {"chain": tenant.pk}
            found = connection.execute(statement.encode(), named)
            assert found.rowcount != 0

    return execute


def verify(lines: list[str] | None = None) -> Verdict:
    with as_operator():
        return services.verify_audit(lines=lines or [])


def kinds(verdict: Verdict) -> set[tuple[Kind, int]]:
    assert verdict.differences == len(verdict.listed)
    return {(each.kind, each.seq) for each in verdict.listed}


def test_an_audit_that_nobody_touched_is_whole(tenant: Tenant) -> None:
    verdict = verify()
    assert (verdict.differences, verdict.chains) == (0, 2)
    assert verdict.entries == CHAIN_LENGTH + 2


FLIPS = (
    "id = id + 1000",
    "at = at + interval '1 microsecond'",
    "actor_kind = 'command'",
    "actor_id = 1",
    "member_id = 1",
    "request_id = 'x'",
    "action = 'create'",
    "object_kind = 'project'",
    "object_id = '1'",
    """before = '{"name": "Nane 0"}'""",
    """after = after || '{"slug": "x"}'""",
    "after = '{}'",
    """after = '{"name": 1.0}'""",
    "digest = reverse(digest)",
    "previous = reverse(previous)",
    "detail_digest = repeat('0', 64)",
)


def test_every_flipped_bit_is_found(edit: Edit) -> None:
    where = "WHERE chain = %(chain)s AND seq = 4"
    edit(f"CREATE TABLE kept AS SELECT * FROM tenants_auditentry {where}")
    for altered in FLIPS:
        edit(f"UPDATE tenants_auditentry SET {altered} {where}")
        assert (Kind.ALTERED, 4) in kinds(verify()), altered
        edit(f"DELETE FROM tenants_auditentry {where}")
        edit("INSERT INTO tenants_auditentry SELECT * FROM kept")
    assert verify().differences == 0


def test_an_entry_moved_to_another_chain_is_found(edit: Edit, tenant: Tenant) -> None:
    edit(
        "UPDATE tenants_auditentry SET chain = 0, tenant_id = NULL "
        "WHERE chain = %(chain)s AND seq = 4"
    )
    found = verify()
    assert {Kind.ALTERED, Kind.MISSING, Kind.HEAD} <= {k for k, _ in kinds(found)}


def test_a_dropped_entry_is_found(edit: Edit) -> None:
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq = 4")
    assert kinds(verify()) == {(Kind.MISSING, 5), (Kind.DISPLACED, 5)}


def test_a_first_entry_that_was_dropped_is_found(edit: Edit) -> None:
    edit(
        "DELETE FROM tenants_auditdetail USING tenants_auditentry AS entry "
        "WHERE entry.id = entry_id AND chain = %(chain)s AND seq = 1"
    )
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq = 1")
    assert kinds(verify()) == {(Kind.MISSING, 2), (Kind.DISPLACED, 2)}


def test_closing_the_gap_does_not_hide_it(edit: Edit) -> None:
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq = 4")
    for seq in range(5, CHAIN_LENGTH + 1):
        edit(
            f"UPDATE tenants_auditentry SET seq = {seq - 1} "
            f"WHERE chain = %(chain)s AND seq = {seq}"
        )
    found = kinds(verify())
    assert {(Kind.DISPLACED, 4), (Kind.ALTERED, 4)} <= found


def test_two_entries_in_each_others_place_are_found(edit: Edit) -> None:
    for old, new in ((3, 100), (4, 3), (100, 4)):
        edit(
            f"UPDATE tenants_auditentry SET seq = {new} "
            f"WHERE chain = %(chain)s AND seq = {old}"
        )
    found = kinds(verify())
    assert {(Kind.DISPLACED, 3), (Kind.DISPLACED, 4), (Kind.ALTERED, 3)} <= found


def test_an_inserted_entry_is_found(fresh_database: Database, tenant: Tenant) -> None:
    with superuser(fresh_database) as connection:
        for seq in range(CHAIN_LENGTH, 4, -1):
            connection.execute(
                "UPDATE tenants_auditentry SET seq = seq + 1 "
                "WHERE chain = %s AND seq = %s",
                [tenant.pk, seq],
            )
        connection.execute(COPY, {"chain": tenant.pk, "seq": 4, "to": 5})
    assert {(Kind.DISPLACED, 5), (Kind.ALTERED, 5)} <= kinds(verify())


def test_an_entry_put_at_the_end_is_found(
    fresh_database: Database, tenant: Tenant
) -> None:
    with superuser(fresh_database) as connection:
        connection.execute(
            COPY, {"chain": tenant.pk, "seq": CHAIN_LENGTH, "to": CHAIN_LENGTH + 1}
        )
    assert (Kind.HEAD, CHAIN_LENGTH + 1) in kinds(verify())


def test_an_end_that_was_cut_off_is_found_by_its_head(edit: Edit) -> None:
    edit(
        "DELETE FROM tenants_auditdetail USING tenants_auditentry AS entry "
        "WHERE entry.id = entry_id AND chain = %(chain)s AND seq = 8"
    )
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq = 8")
    assert kinds(verify()) == {(Kind.HEAD, 7)}


def test_a_whole_chain_that_is_gone_is_found_by_its_head(edit: Edit) -> None:
    edit(
        "DELETE FROM tenants_auditdetail USING tenants_auditentry AS entry "
        "WHERE entry.id = entry_id AND chain = %(chain)s"
    )
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s")
    assert kinds(verify()) == {(Kind.HEAD, 0)}


@pytest.mark.parametrize(
    "altered", ["""after = '{"billing_email": "x@x.example"}'""", "salt = 'xyz'"]
)
def test_an_altered_detail_is_found(edit: Edit, altered: str) -> None:
    edit(
        f"UPDATE tenants_auditdetail AS detail SET {altered} "
        "FROM tenants_auditentry AS entry "
        "WHERE entry.id = entry_id AND chain = %(chain)s AND seq = 7"
    )
    assert kinds(verify()) == {(Kind.DETAIL, 7)}


def test_a_detail_of_another_or_of_no_entry_is_found(edit: Edit) -> None:
    edit(
        "INSERT INTO tenants_auditdetail (entry_id, tenant_id, salt, before, after) "
        "VALUES (4000000000, %(chain)s, 'x', '{}', '{}')"
    )
    assert kinds(verify()) == {(Kind.DETAIL, 0)}


def test_a_detail_that_went_without_being_forgotten_is_found(edit: Edit) -> None:
    edit(
        "DELETE FROM tenants_auditdetail USING tenants_auditentry AS entry "
        "WHERE entry.id = entry_id AND chain = %(chain)s AND seq = 7"
    )
    assert kinds(verify()) == {(Kind.DETAIL, 7)}


def _cut(database: Database, tenant: Tenant, seq: int) -> None:
    """Cut a chain behind an entry and turn its head back, as if it had ended there."""
    with superuser(database) as connection:
        named = {"chain": tenant.pk, "seq": seq}
        for statement in (
            "DELETE FROM tenants_auditdetail USING tenants_auditentry AS entry "
            "WHERE entry.id = entry_id AND chain = %(chain)s AND seq > %(seq)s",
            "DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq > %(seq)s",
            "UPDATE tenants_audithead AS head SET seq = entry.seq, "
            "digest = entry.digest FROM tenants_auditentry AS entry "
            "WHERE head.chain = %(chain)s AND entry.chain = head.chain "
            "AND entry.seq = %(seq)s",
        ):
            connection.execute(statement.encode(), named)


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_cut_end_is_found_by_what_the_log_kept(
    fresh_database: Database, tenant: Tenant, style: str
) -> None:
    with as_operator():
        assert services.anchor_chains(now=timezone.now()) == 2
        kept = [_line(anchor, style) for anchor in anchors.stored()]
    _cut(fresh_database, tenant, 6)
    assert kinds(verify()) == {(Kind.ANCHOR, CHAIN_LENGTH)}
    with superuser(fresh_database) as connection:
        connection.execute("DELETE FROM tenants_auditanchor")
    # Whoever takes the anchors with it still leaves the log's.
    assert verify().differences == 0
    assert kinds(verify(kept)) == {(Kind.ANCHOR, CHAIN_LENGTH)}


def test_a_chain_written_anew_does_not_lead_to_its_anchor(
    fresh_database: Database, tenant: Tenant
) -> None:
    with as_operator():
        services.anchor_chains(now=timezone.now())
    _cut(fresh_database, tenant, 7)
    with as_operator():
        services.update_tenant(tenant=tenant, billing_email="other@acme.example")
    assert kinds(verify()) == {(Kind.ANCHOR, CHAIN_LENGTH)}


def test_a_forged_anchor_is_found(edit: Edit, tenant: Tenant) -> None:
    with as_operator():
        services.anchor_chains(now=timezone.now())
    edit("UPDATE tenants_auditanchor SET date = date - 1 WHERE chain = %(chain)s")
    assert kinds(verify()) == {(Kind.ANCHOR, CHAIN_LENGTH)}


def test_chains_are_anchored_once_a_day_and_when_they_moved(tenant: Tenant) -> None:
    now = timezone.now()
    with as_operator():
        assert services.anchor_chains(now=now) == 2
        assert services.anchor_chains(now=now) == 0
        services.update_tenant(tenant=tenant, name="Moved")
        assert services.anchor_chains(now=now) == 0
        assert services.anchor_chains(now=now + dt.timedelta(days=1)) == 1
        assert AuditAnchor.objects.count() == 3
        assert services.verify_audit().anchors == 3


def test_no_service_role_can_touch_what_is_written(
    fresh_database: Database, tenant: Tenant
) -> None:
    roles: tuple[Role, ...] = ("app", "operator", "gateway", "owner")
    for role in roles:
        for statement in (
            "UPDATE tenants_auditentry SET action = 'x'",
            "DELETE FROM tenants_auditentry",
            "TRUNCATE tenants_auditentry",
            "DELETE FROM tenants_auditanchor",
        ):
            with psycopg.connect(fresh_database.url_for(role)) as connection:
                if role == "owner" and "anchor" in statement:
                    statement = "TRUNCATE tenants_auditanchor"  # noqa: PLW2901
                with pytest.raises(
                    (
                        psycopg.errors.InsufficientPrivilege,
                        psycopg.errors.RestrictViolation,
                    )
                ):
                    connection.execute(statement.encode())


def test_the_command_tells_scripts(
    edit: Edit, tenant: Tenant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("verify_audit", json=True)
    assert json.loads(capsys.readouterr().out)["differences"] == 0
    call_command("verify_audit", tenant=tenant.slug)
    assert "No difference; entries: 8, chains: 1" in capsys.readouterr().out
    with pytest.raises(CommandError) as unknown:
        call_command("verify_audit", tenant="nobody")
    with pytest.raises(CommandError) as unread:
        call_command("verify_audit", anchors=tmp_path / "nothing.log")
    edit("DELETE FROM tenants_auditentry WHERE chain = %(chain)s AND seq = 4")
    with pytest.raises(CommandError) as differs:
        call_command("verify_audit", json=True)
    assert [each.value.returncode for each in (unknown, unread, differs)] == [2, 2, 1]
    document = json.loads(capsys.readouterr().out)
    assert document["differences"] == 2
    assert document["listed"][0]["what"] == "entries 4 to 4 are gone"


def _line(anchor: anchors.Anchor, style: str) -> str:
    fields = {
        "date": anchor.date,
        "chain": anchor.chain,
        "seq": anchor.seq,
        "digest": anchor.digest,
        "signature": anchor.signature,
    }
    if style == "json":
        return json.dumps({"event": "audit_anchor", **fields})
    pairs = " ".join(f"{name}={value}" for name, value in fields.items())
    return f"info    audit_anchor {pairs} logger=tenants.audit.anchors"
