"""What a tenant's callers asked lately, and who changed what of it."""

from typing import Any

from django.urls import reverse

from kit.contracts import EventStatus
from metering.usage.request_log import LoggedRequest, RequestQuery
from metering.usage.request_log import requests as logged
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, instant, money, number, state, words
from pages.design.heading import Crumb
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.measures import duration_cell
from pages.operations.tenant.parts import FILE_ROWS_MAX, Asked, Part, Shown, paged
from tenants import selectors
from tenants.models import AuditEntry

REQUESTS_SHOWN = 50


def _status(row: LoggedRequest) -> Cell:
    tone = Tone.GOOD if row.status is EventStatus.OK else Tone.BAD
    if row.status is EventStatus.CLIENT_GONE:
        tone = Tone.OVER
    return state(Badge(row.status.name.lower().replace("_", " "), tone))


REQUESTS: Table[LoggedRequest] = Table(
    name="requests",
    title=f"The last {REQUESTS_SHOWN} requests",
    note="Nothing of what was asked or answered is kept.",
    empty=Empty("No request was metered", "Requests show here as they are settled."),
    columns=(
        Column("at", "Admitted, UTC", lambda row: instant(row.admitted_at)),
        Column("model", "Model", lambda row: words(row.model)),
        Column(
            "key",
            "Key",
            lambda row: words(
                row.api_key or f"{row.api_key_id}",
                address=reverse("admin:tenants_apikey_change", args=(row.api_key_id,)),
                note=row.project or "",
            ),
        ),
        Column("status", "Status", _status),
        Column(
            "input",
            "Input",
            lambda row: number(row.input_tokens + row.cached_input_tokens),
            Kind.NUMBER,
        ),
        Column("output", "Output", lambda row: number(row.output_tokens), Kind.NUMBER),
        Column(
            "first",
            "First token",
            lambda row: duration_cell(row.first_token_us),
            Kind.NUMBER,
        ),
        Column("took", "Took", lambda row: duration_cell(row.duration_us), Kind.NUMBER),
        Column(
            "charge",
            "Charge, corrected",
            lambda row: money(row.net_charge_picos, row.currency),
            Kind.NUMBER,
        ),
        Column("id", "Request id", lambda row: words(str(row.request_id))),
    ),
)


def requests(asked: Asked) -> Shown:
    """Return the tab of requests: the newest, and in the file many more."""
    query = RequestQuery(tenant_id=asked.tenant.pk)
    rows = logged(query, size=REQUESTS_SHOWN).rows
    return Shown(
        parts=[
            Part(
                REQUESTS,
                rows,
                whole=lambda: logged(query, size=FILE_ROWS_MAX + 1).rows,
            )
        ]
    )


def _actor(row: Any) -> Cell:
    kind = row.actor_kind.replace("_", " ")
    name = row.named.name or row.named.email
    return words(name, note=kind) if name else words(kind)


# What people call an action, where its name alone does not say it.
_DONE = {
    "issue": "Issued",
    "create": "Created",
    "update": "Changed",
    "assign": "Assigned",
    "end": "Ended",
    "revoke": "Revoked",
    "suspend": "Suspended",
    "restore": "Restored",
    "rotate": "Rotated",
    "invoice": "Invoiced",
    "publish": "Published",
    "cancel": "Cancelled",
    "archive": "Archived",
    "remove": "Removed",
    "set_plan": "Put on another plan:",
    "set_payment_mode": "Changed how it pays:",
    "disable": "Disabled",
    "enable": "Enabled",
    "lapse": "Ran out:",
    "record": "Recorded",
    "subscribe": "Began",
    "grant": "Granted",
    "close": "Closed",
    "sign": "Signed",
}
_FIELDS_SHOWN = 4


def _what(row: AuditEntry) -> Cell:
    """Say in a few words what was done to what; of a change, to which fields."""
    action = row.action.replace("_", " ").capitalize()
    thing = row.object_kind.replace("_", " ").replace("api key", "API key")
    names = sorted(row.before.keys() & row.after.keys())
    shown = [name.replace("_", " ") for name in names[:_FIELDS_SHOWN]]
    rest = " and more" if len(names) > _FIELDS_SHOWN else ""
    return words(
        f"{_DONE.get(row.action, action)} {thing} {row.object_id}",
        address=reverse("admin:tenants_auditentry_change", args=(row.pk,)),
        note=", ".join(shown) + rest,
    )


AUDIT: Table[AuditEntry] = Table(
    name="audit",
    title="Who changed what",
    empty=Empty("Nothing was changed yet"),
    columns=(
        Column("what", "What", _what),
        Column("by", "By", _actor),
        Column("at", "At, UTC", lambda row: instant(row.at)),
    ),
)


def audit(asked: Asked) -> Shown:
    """Return the tab of changes, the newest first."""
    part = audited(asked)
    whole = reverse("admin:tenants_auditentry_changelist")
    return Shown(parts=[part], links=[Crumb("Search in the whole audit", whole)])


def audited(asked: Asked, *, most: int = 0) -> Part:
    """Return a page of a tenant's changes with who made them, or the latest few."""
    rows = selectors.audit_entries(tenant_id=asked.tenant.pk).order_by("-id")
    found = Part(AUDIT, list(rows[:most])) if most else paged(AUDIT, rows, asked.query)
    return Part(
        AUDIT,
        _named(found.rows),
        count=found.count,
        whole=lambda: _named(list(rows[: FILE_ROWS_MAX + 1])),
    )


def _named(rows: Any) -> list[Any]:
    actors = selectors.audit_actors(rows)
    for row in rows:
        row.named = actors[selectors.actor_key(row)]
    return list(rows)
