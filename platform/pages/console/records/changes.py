"""Changes as the audit keeps them, laid out: who did what to what, from what to what.

Names are those of today: they are kept outside of the chain and may be forgotten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.acting import ActorKind
from pages.design.cells import Cell, Kind, clock, nothing, words
from pages.design.files import FILE_ROWS_MAX
from pages.design.states import Empty
from pages.design.table import Column, Table
from tenants import selectors
from tenants.audit import telling
from tenants.models import AuditEntry, Tenant

# What people call an action, where its name alone does not say it.
_DONE = {
    "add": "added",
    "archive": "archived",
    "assign": "assigned",
    "change_role": "given another role",
    "create": "created",
    "disable": "disabled",
    "enable": "enabled",
    "end": "ended",
    "invite": "sent",
    "issue": "issued",
    "join": "joined",
    "lapse": "ran out",
    "look_at": "looked at",
    "narrow": "narrowed",
    "record": "recorded",
    "remove": "removed",
    "resend": "sent anew",
    "restore": "restored",
    "revoke": "revoked",
    "rotate": "rotated",
    "set_payment_mode": "pays otherwise",
    "set_plan": "put on another plan",
    "subscribe": "begun",
    "suspend": "suspended",
    "update": "changed",
}
# What says of a new row no more than the entry itself.
_SAID_BESIDE = frozenset({"id", "created_at", "tenant_id", "digest"})
_WORDS_MAX = 90
_NONE: tuple[object, ...] = (None, "", [], {})
_OPERATORS = frozenset(
    {
        ActorKind.OPERATOR,
        ActorKind.OPERATOR_TOKEN,
        ActorKind.ROOT_TOKEN,
        ActorKind.COMMAND,
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One entry, with who made it and what of it is personal."""

    entry: AuditEntry
    name: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    currency: str
    """In which its amounts are."""
    zone: str
    """On whose clocks its instants are told."""


def changes(entries: Sequence[AuditEntry], tenant: Tenant) -> list[Change]:
    """Read who made some of a tenant's entries, and their personal fields."""
    actors = selectors.audit_actors(entries)
    details = selectors.audit_details(entries)
    found = []
    for entry in entries:
        named, detail = actors[selectors.actor_key(entry)], details.get(entry.pk)
        before = {**entry.before, **(detail.before if detail else {})}
        after = {**entry.after, **(detail.after if detail else {})}
        currency = telling.currency_of(after, before, otherwise=tenant.currency)
        name = named.email or named.name or ""
        found.append(Change(entry, name, before, after, currency, tenant.zone))
    return found


def what(row: Change) -> str:
    """Say what was done to what."""
    entry = row.entry
    done = _DONE.get(entry.action, entry.action.replace("_", " "))
    thing = entry.object_kind.replace("_", " ").replace("api key", "API key")
    return f"{thing} {entry.object_id} {done}"


def _by(row: Change) -> Cell:
    kind = row.entry.actor_kind
    if kind in _OPERATORS:
        return words("an operator", note=kind.replace("_", " "))
    if row.name:
        return words(row.name, note=kind.replace("_", " "))
    return nothing("forgotten" if kind == ActorKind.MEMBER else kind)


def _fields(row: Change) -> Cell:
    names = sorted({*row.before, *row.after} - _SAID_BESIDE)
    texts = [_field(row, name) for name in names if _is_said(row, name)]
    if not texts:
        return nothing("no field" if not row.entry.detail_digest else "forgotten")
    text = "; ".join(texts)
    cell = words(text)
    if len(text) <= _WORDS_MAX:
        return cell
    return Cell(f"{text[:_WORDS_MAX]}...", cell.value, title=text)


def _is_said(row: Change, name: str) -> bool:
    """Leave out of a new row what it has none of."""
    return name in row.before or row.after.get(name) not in _NONE


def _field(row: Change, name: str) -> str:
    called, now = telling.called(name), _value(row, name, row.after.get(name))
    if name not in row.before:
        return f"{called}: {now}"
    was = _value(row, name, row.before[name])
    return f"{called}: {was} \N{RIGHTWARDS ARROW} {now}"


def _value(row: Change, name: str, value: Any) -> str:
    if value in _NONE:
        return "none"
    if (amount := telling.amount(name, value, row.currency)) is not None:
        return amount
    if (at := telling.instant(value, row.zone)) is not None:
        return at
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return str(value)


def changes_table(zone: str) -> Table[Change]:
    """Return the table of changes, on a tenant's clocks."""
    return Table(
        name="audit",
        title="Changes",
        empty=Empty("Nothing was changed yet"),
        file_rows_max=FILE_ROWS_MAX,
        columns=(
            Column("at", "At", lambda row: clock(row.entry.at, zone)),
            Column("by", "By", _by),
            Column("what", "What", lambda row: words(what(row))),
            Column("fields", "From what to what", _fields, Kind.LONG),
            Column("request", "Request", lambda row: words(row.entry.request_id)),
        ),
    )
