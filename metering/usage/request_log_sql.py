"""The SQL of the request log: one page, how far a page looks, and a summary of it.

Events are found through their key, (tenant, id), a partition after the other from the
newest on. The inner LIMIT bounds what is looked at, the outer one what is shown.
"""

_SCANNED = """SELECT * FROM usage_event
        WHERE tenant_id = %(tenant)s
            AND request_id >= %(since)s AND request_id < %(until)s
            AND (%(request)s::uuid IS NULL OR request_id = %(request)s)
        ORDER BY request_id DESC
        LIMIT %(scanned)s::bigint"""


def _corrections(of: str, request: str) -> str:
    """Return the query of something of all corrections of a request."""
    return f"""(
        SELECT {of}
        FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = {request}.tenant_id
            AND correction.corrects = {request}.request_id
    )"""  # noqa: S608 - put together from constants of this module


_SUM = "coalesce(sum(event.charge_picos), 0) AS charge_picos"
_CHARGED = f"scanned.charge_picos + {_corrections(_SUM, 'scanned')}"
# What was tried again, by our fault, is given back by an event of kind 3.
_SUM_AND_RETRIED = f"{_SUM}, coalesce(bool_or(event.kind = 3), false) AS is_retried"
_WANTED = f"""kind = 0
        AND admitted_at >= %(start)s AND admitted_at < %(end)s
        AND (%(project)s::bigint IS NULL OR project_id = %(project)s)
        AND (%(key)s::bigint IS NULL OR api_key_id = %(key)s)
        AND (%(status)s::smallint IS NULL OR status = %(status)s)
        AND (%(charge_min)s::bigint IS NULL OR {_CHARGED} >= %(charge_min)s)
        AND (%(duration_min)s::bigint IS NULL OR duration_us >= %(duration_min)s)
        AND (%(reach)s::bigint[] IS NULL OR project_id = ANY (%(reach)s))
        AND (%(model)s::text IS NULL OR price_id IN (
            SELECT id FROM pricing_price WHERE model = %(model)s
        ))"""  # noqa: S608 - put together from the constants above
PAGE = f"""
WITH page AS MATERIALIZED (
    SELECT scanned.* FROM (
        {_SCANNED}
    ) scanned
    WHERE {_WANTED}
    LIMIT %(size)s
)
SELECT page.request_id, page.admitted_at, page.tenant_id, page.project_id,
    project.slug AS project, page.api_key_id,
    api_key.name || ' (' || api_key.shown || ')' AS api_key, price.model, page.status,
    page.surface, page.streamed, page.counted_by, page.input_tokens,
    page.cached_input_tokens, page.output_tokens, page.reasoning_tokens,
    page.charge_picos, page.charge_picos + corrected.charge_picos AS net_charge_picos,
    book.currency, page.first_token_us, page.last_token_us, page.duration_us,
    page.attempts, page.held_input_tokens, page.held_output_tokens, page.keyed,
    corrected.is_retried
FROM page
CROSS JOIN LATERAL {_corrections(_SUM_AND_RETRIED, "page")} corrected
JOIN pricing_price price ON price.id = page.price_id
JOIN pricing_pricebookversion version ON version.id = price.version_id
JOIN pricing_pricebook book ON book.id = version.book_id
LEFT JOIN tenants_project project ON project.id = page.project_id
LEFT JOIN tenants_apikey api_key ON api_key.id = page.api_key_id
ORDER BY page.request_id DESC
"""  # noqa: S608 - put together from the constants above

BOUND = """
SELECT request_id FROM usage_event
WHERE tenant_id = %(tenant)s
    AND request_id >= %(since)s AND request_id < %(until)s
    AND (%(request)s::uuid IS NULL OR request_id = %(request)s)
ORDER BY request_id DESC
OFFSET %(skipped)s LIMIT 1
"""

# A request that ended well is status 0.
SUMMARY = f"""
WITH scanned AS MATERIALIZED (
        {_SCANNED}
)
SELECT (SELECT count(*) FROM scanned), count(*), count(*) FILTER (WHERE status <> 0),
    percentile_disc(0.5) WITHIN GROUP (ORDER BY first_token_us)
        FILTER (WHERE status = 0 AND first_token_us IS NOT NULL),
    percentile_disc(0.95) WITHIN GROUP (ORDER BY first_token_us)
        FILTER (WHERE status = 0 AND first_token_us IS NOT NULL)
FROM scanned
WHERE {_WANTED}
"""  # noqa: S608 - put together from the constants above
