"""A large installation in seconds: rows in bulk, by SQL, as no service writes them.

For speed and counts of queries only: the sizes and the spread are like a real one's,
the digests and sums prove nothing. The first tenant has a tenth of all keys.
"""

from dataclasses import asdict, dataclass

import psycopg


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of each there are."""

    tenants: int = 10_000
    projects: int = 20_000
    keys: int = 100_000
    members: int = 30_000
    entries: int = 100_000
    days: int = 21


TENANTS = """
INSERT INTO tenants_plan (slug, name, is_default)
    VALUES ('standard', 'Standard', true), ('trial', 'Trial', false);
INSERT INTO tenants_tenant
    (slug, name, state, currency, zone, billing_email, plan_id, created_at)
SELECT 'company-' || n, 'Company ' || n || (ARRAY[' Ltd', ' GmbH', ' Inc'])[n %% 3 + 1],
    CASE WHEN n %% 50 = 0 THEN 'suspended' ELSE 'active' END, 'USD', 'UTC',
    'billing-' || n || '@example.com',
    CASE WHEN n %% 4 = 0 THEN (SELECT id FROM tenants_plan WHERE slug = 'trial') END,
    now() - interval '1 hour' * (%(tenants)s - n)
FROM generate_series(1, %(tenants)s) n;
CREATE TEMP TABLE nth_tenant ON COMMIT DROP AS
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS n
    FROM tenants_tenant WHERE slug LIKE 'company-%%';
CREATE UNIQUE INDEX ON nth_tenant (n);
INSERT INTO tenants_project (tenant_id, slug, name, created_at, archived_at)
SELECT t.id, 'project-' || i / %(tenants)s, 'Project ' || i, now() - interval '2 days',
    CASE WHEN i %% 40 = 39 THEN now() END
FROM generate_series(0, %(projects)s - 1) i
JOIN nth_tenant t ON t.n = i %% %(tenants)s;
"""

PEOPLE = """
INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email,
    is_staff, is_active, date_joined)
SELECT '!', false, 'person-' || n, '', '', 'person-' || n || '@example.com',
    false, true, now()
FROM generate_series(0, %(members)s - 1) n;
INSERT INTO tenants_member (tenant_id, user_id, email, name, role, created_at)
SELECT t.id, u.id, u.email, 'Person ' || i,
    (ARRAY['owner', 'developer', 'viewer'])[i / %(tenants)s %% 3 + 1], now()
FROM generate_series(0, %(members)s - 1) i
JOIN nth_tenant t ON t.n = i %% %(tenants)s
JOIN auth_user u ON u.username = 'person-' || i;
"""

KEYS = """
CREATE TEMP TABLE first_project ON COMMIT DROP AS
    SELECT t.n, t.id AS tenant_id, min(p.id) AS id
    FROM nth_tenant t JOIN tenants_project p ON p.tenant_id = t.id GROUP BY t.n, t.id;
CREATE UNIQUE INDEX ON first_project (n);
INSERT INTO tenants_apikey (tenant_id, project_id, name, digest, shown, scopes,
    allowed_models, allowed_networks, created_at, expires_at, revoked_at)
SELECT p.tenant_id, p.id, (ARRAY['laptop', 'server', 'ci', 'notebook'])[i %% 4 + 1]
        || ' ' || i,
    encode(sha256(('key ' || i)::bytea), 'hex'),
    'tg_' || substr(md5(i::text), 1, 4) || '…' || substr(md5(i::text), 8, 4),
    '{embed,generate,models}', '{}', '{}', now() - interval '1 minute' * i,
    CASE WHEN i %% 20 = 0 THEN now() + interval '1 day' * (i %% 60 - 20) END,
    CASE WHEN i %% 15 = 0 THEN now() - interval '1 hour' END
FROM generate_series(0, %(keys)s - 1) i
JOIN first_project p ON p.n = CASE WHEN i %% 10 = 0 THEN 0 ELSE i %% %(tenants)s END;
INSERT INTO tenants_keyuse (api_key_id, tenant_id, last_used_at, model)
SELECT id, tenant_id, now() - interval '1 minute' * (id %% 9000), 'demo-model'
FROM tenants_apikey WHERE id %% 5 < 3;
"""

SERVING = """
INSERT INTO control_servedmodel
    (name, description, context_tokens, enabled, created_at)
SELECT 'model-of-scale-' || n, 'Model ' || n, 8192, true, now()
FROM generate_series(1, 200) n;
INSERT INTO control_replica (model_id, name, url, dialect, upstream_model, credential,
    state, created_at)
SELECT m.id, m.name || '-' || n, 'http://10.0.0.' || n || ':8000', 'vllm', '', '',
    'active', now()
FROM control_servedmodel m, generate_series(1, 5) n
WHERE m.name LIKE 'model-of-scale%%';
INSERT INTO usage_epoch (gateway, epoch, state, last_seq, admitted, settled, voided,
    started_at, heartbeat_at)
SELECT 'gateway-of-scale-' || n, 1, 'closed', 100, 100, 100, 0,
    now() - interval '1 hour' * n, now() - interval '1 hour' * n
FROM generate_series(1, 2000) n;
"""

PRICES = """
INSERT INTO pricing_pricebook (name, currency, is_default, created_at)
    VALUES ('Book of scale', 'USD', false, now());
INSERT INTO pricing_pricebookversion (book_id, number, effective_at)
SELECT id, n, now() - interval '1 day' * (1000 - n)
FROM pricing_pricebook, generate_series(1, 100) n WHERE name = 'Book of scale';
INSERT INTO pricing_price
    (version_id, model, input_picos, cached_input_picos, output_picos)
SELECT v.id, 'model-of-scale-' || n, 3000000, 300000, 15000000
FROM pricing_pricebookversion v, generate_series(1, 50) n
WHERE v.book_id = (SELECT id FROM pricing_pricebook WHERE name = 'Book of scale');
UPDATE pricing_pricebookversion SET published_at = now()
WHERE book_id = (SELECT id FROM pricing_pricebook WHERE name = 'Book of scale');
INSERT INTO pricing_pricebookassignment (tenant_id, book_id, starts_at)
SELECT t.id, b.id, '2020-01-01Z' FROM nth_tenant t, pricing_pricebook b
WHERE b.name = 'Book of scale' AND t.n %% 5 = 0;
"""

USAGE = """
INSERT INTO usage_billingday (tenant_id, date, starts_at, ends_at, zone)
SELECT t.id, d::date, d, d + interval '1 day', 'UTC'
FROM nth_tenant t, generate_series(
    date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        - interval '1 day' * (%(days)s - 1),
    date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', '1 day') d
ON CONFLICT DO NOTHING;
INSERT INTO usage_dayrollup (tenant_id, date, project_id, api_key_id, price_id,
    token_class, quantity, charge_picos)
SELECT day.tenant_id, day.date, p.id, 1,
    (SELECT min(id) FROM pricing_price WHERE model LIKE 'model-of-scale%%'),
    class, 1000 + p.n, (1000 + p.n) * 3000000
FROM usage_billingday day
JOIN first_project p ON p.tenant_id = day.tenant_id
CROSS JOIN generate_series(1, 3) class
ON CONFLICT DO NOTHING;
"""

BOOKS = """
INSERT INTO billing_seller (name, number_prefix, last_number)
    VALUES ('Seller of scale', 'S-', 0);
INSERT INTO billing_period (tenant_id, first_date, end_date, starts_at, ends_at, state,
    closed_at)
SELECT id, '2026-01-01', '2026-02-01', '2026-01-01Z', '2026-02-01Z', 'closed', now()
FROM nth_tenant;
INSERT INTO billing_invoice (public_id, tenant_id, period_id, seller_id, provider,
    state, number, currency, exact_picos, amount_minor, lines_sha256,
    provider_reference, hosted_url, problem, created_at)
SELECT gen_random_uuid(), p.tenant_id, p.id, s.id, 'offline', 'open', 'S-' || p.id,
    'USD', 1000000000000, 100, repeat('0', 64), '', '', '', now()
FROM billing_period p, billing_seller s
WHERE p.first_date = '2026-01-01' AND s.name = 'Seller of scale';
INSERT INTO ledger_account (tenant_id, kind, currency)
SELECT id, kind, 'USD' FROM nth_tenant, unnest(ARRAY['accrued', 'revenue']) kind;
WITH posted AS (
    INSERT INTO ledger_transaction (tenant_id, kind, source, occurred_at)
    SELECT t.id, 'usage', 'scale ' || i, now()
    FROM nth_tenant t, generate_series(1, 5) i
    RETURNING id, tenant_id
)
INSERT INTO ledger_entry (tenant_id, transaction_id, account_id, amount_picos)
SELECT a.tenant_id, posted.id, a.id,
    CASE WHEN a.kind = 'accrued' THEN 1000000 ELSE -1000000 END
FROM posted JOIN ledger_account a ON a.tenant_id = posted.tenant_id;
"""

AUDIT = """
INSERT INTO tenants_auditentry (chain, seq, tenant_id, at, actor_kind, actor_id,
    request_id, action, object_kind, object_id, before, after, detail_digest, previous,
    digest)
SELECT t.id, i / %(tenants)s + 1, t.id, now() - interval '1 minute' * i, 'operator', 1,
    '', 'update', 'tenant', t.id::text, '{"name": "Before"}', '{"name": "After"}', '',
    '', encode(sha256(('entry ' || i)::bytea), 'hex')
FROM generate_series(0, %(entries)s - 1) i
JOIN nth_tenant t ON t.n = i %% %(tenants)s;
"""

STEPS = (TENANTS, PEOPLE, KEYS, SERVING, PRICES, USAGE, BOOKS, AUDIT)


def seed(owner_url: str, scale: Scale | None = None) -> None:
    """Fill an empty migrated database, as its owner, and let the planner look at it."""
    sizes = asdict(scale or Scale())
    with psycopg.connect(owner_url, cursor_factory=psycopg.ClientCursor) as session:
        for step in STEPS:
            session.execute(step, sizes)
    with psycopg.connect(owner_url, autocommit=True) as session:
        session.execute("VACUUM ANALYZE")
