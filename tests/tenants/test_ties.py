"""What a tenant's row refers to is the tenant's; nor does it stand in another's way.

Services look things up in the caller's role. Here the app role writes SQL as it likes.
"""

import datetime as dt
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from kit.ids import uuid7
from tenants.models import ApiKey, Member, Tenant
from tests.databases import Database
from tests.factories.tenants import make_key, make_member, make_tenant, make_token

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


@pytest.fixture
def us(fresh_database: Database) -> Tenant:
    """Provide a tenant."""
    return make_tenant()


@pytest.fixture
def their_key(us: Tenant) -> ApiKey:
    """Provide another tenant's key."""
    return make_key(tenant=make_tenant()).row


@pytest.fixture
def them(their_key: ApiKey) -> Member:
    """Provide a member of the other tenant."""
    return make_member(tenant=their_key.tenant)


@pytest.fixture
def app(fresh_database: Database, us: Tenant) -> Iterator[psycopg.Connection]:
    """Write as the app role of the tenant."""
    with psycopg.connect(fresh_database.url_for("app")) as session:
        session.execute("SELECT set_config('tollgate.tenant', %s, false)", [str(us.pk)])
        yield session
        session.rollback()


_KEY = (
    "INSERT INTO tenants_apikey (tenant_id, project_id, member_id, replaces_id, name,"
    " digest, shown, scopes, allowed_models, allowed_networks)"
    " VALUES (%(us)s, {project}, {member}, {replaces}, '', '', '', '{{}}', '{{}}',"
    " '{{}}')"
)
_TOKEN = (
    "INSERT INTO tenants_managementtoken (tenant_id, member_id, replaces_id, name,"
    " digest, shown, scopes, allowed_networks)"
    " VALUES (%(us)s, {member}, {replaces}, '', '', '', '{{}}', '{{}}')"
)
_LIMIT = (
    "INSERT INTO tenants_ratelimit (tenant_id, level, project_id, api_key_id, set_by,"
    ' model, is_hard, warn_at, unit, "window", value) VALUES (%(us)s, {level},'
    " {project}, {key}, 'tenant', '', true, '{{}}', 'requests', 'minute', 1)"
)
_OURS = "(SELECT min(id) FROM tenants_project)"
FOREIGN = {
    "a key in their project": _KEY.format(
        project="%(project)s", member="NULL", replaces="NULL"
    ),
    "a key of their member": _KEY.format(
        project=_OURS, member="%(member)s", replaces="NULL"
    ),
    "a key that replaces theirs": _KEY.format(
        project=_OURS, member="NULL", replaces="%(key)s"
    ),
    "a token of their member": _TOKEN.format(member="%(member)s", replaces="NULL"),
    "a token that replaces theirs": _TOKEN.format(member="NULL", replaces="%(token)s"),
    "a place in their project": (
        "INSERT INTO tenants_projectmember (tenant_id, project_id, member_id)"
        " VALUES (%(us)s, %(project)s, %(member)s)"
    ),
    "an invitation by their member": (
        "INSERT INTO tenants_invitation (tenant_id, email, role, project_ids, digest,"
        " invited_by_id, expires_at)"
        " VALUES (%(us)s, '', 'viewer', '{}', '', %(member)s, now())"
    ),
    "a limit of their project": _LIMIT.format(
        level="'project'", project="%(project)s", key="NULL"
    ),
    "a limit of their key": _LIMIT.format(
        level="'api_key'", project="NULL", key="%(key)s"
    ),
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_row_refers_to_nothing_of_another_tenant(
    app: psycopg.Connection,
    us: Tenant,
    their_key: ApiKey,
    them: Member,
    statement: str,
) -> None:
    theirs = make_token(tenant=their_key.tenant).row
    named = {
        "us": us.pk,
        "project": their_key.project_id,
        "member": them.pk,
        "key": their_key.pk,
        "token": theirs.pk,
    }
    with pytest.raises(errors.ForeignKeyViolation):
        app.execute(statement.encode(), named)


_ENTRY = (
    "INSERT INTO tenants_auditentry (chain, seq, tenant_id, at, actor_kind, request_id,"
    " action, object_kind, object_id, before, after, detail_digest, previous, digest)"
    " VALUES (%s, 1000000, %s, now(), 'member', '', 'x', 'x', '1', '{}', '{}', '', '',"
    " '') RETURNING id"
)


def test_no_entry_lies_in_another_chain_than_its_tenants(
    app: psycopg.Connection, us: Tenant, their_key: ApiKey
) -> None:
    """One that took the next place of another's chain would stop all its writes."""
    with pytest.raises(errors.CheckViolation):
        app.execute(_ENTRY.encode(), [their_key.tenant_id, us.pk])


def test_a_detail_is_of_an_entry_of_its_tenant(
    app: psycopg.Connection, us: Tenant, their_key: ApiKey
) -> None:
    """One under an id that is yet to come would stop whoever comes to it."""
    found = app.execute(_ENTRY.encode(), [us.pk, us.pk]).fetchone()
    assert found is not None
    detail = (
        b"INSERT INTO tenants_auditdetail (entry_id, tenant_id, salt, before, after)"
        b" VALUES (%s, %s, '', '{}', '{}')"
    )
    app.execute(detail, [found[0], us.pk])
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(detail, [found[0] + 1, us.pk])


def test_another_tenants_idempotency_keys_cannot_be_taken(
    app: psycopg.Connection, fresh_database: Database, us: Tenant, their_key: ApiKey
) -> None:
    key = str(uuid7(0))
    claim = (
        b"INSERT INTO tenants_storedanswer"
        b" (tenant_id, caller, key, fingerprint, status, sealed, created_at)"
        b" VALUES (%s, 'tenant_token:1', %s, '', 0, '', now())"
    )
    app.execute(claim, [us.pk, key])
    app.commit()
    with psycopg.connect(fresh_database.url_for("app")) as they:
        theirs = their_key.tenant_id
        they.execute("SELECT set_config('tollgate.tenant', %s, false)", [str(theirs)])
        they.execute(claim, [theirs, key])
        with pytest.raises(errors.UniqueViolation):
            they.execute(claim, [theirs, key])
