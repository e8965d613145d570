"""Who calls for a tenant and how much it may: its keys, its limits in effect."""

from django.urls import reverse
from django.utils.timesince import timesince

from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, instant, nothing, state, words
from pages.design.heading import Crumb
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.tenant.parts import Asked, Part, Shown, paged
from pages.operations.tenant.raising import raise_address
from tenants import selectors
from tenants.admin.limits_in_effect import Line, limits_of
from tenants.models import ApiKey, KeyState

_TONES = {
    KeyState.ACTIVE: Tone.GOOD,
    KeyState.REVOKED: Tone.OVER,
    KeyState.EXPIRED: Tone.OVER,
    KeyState.ARCHIVED: Tone.OVER,
}


def _keys(asked: Asked) -> Table[ApiKey]:
    def last_used(row: ApiKey) -> Cell:
        if row.last_use is None or row.last_use.last_used_at is None:
            return nothing("never")
        at = row.last_use.last_used_at
        return words(
            f"{timesince(at, asked.now, depth=1)} ago", note=row.last_use.model
        )

    def stands(row: ApiKey) -> Cell:
        found = row.state_at(asked.now)
        return state(Badge(found.value, _TONES.get(found, Tone.WAIT)))

    return Table(
        name="keys",
        title="API keys",
        empty=Empty(
            "This tenant has no API key",
            "A key is issued for a project; its text is shown once.",
            "Issue one",
            reverse("admin:tenants_apikey_add"),
        ),
        columns=(
            Column(
                "name",
                "Key",
                lambda row: words(
                    row.name,
                    address=reverse("admin:tenants_apikey_change", args=(row.pk,)),
                    note=row.shown,
                ),
            ),
            Column("project", "Project", lambda row: words(row.project.slug)),
            Column("state", "State", stands),
            Column("used", "Last used", last_used),
            Column("issued", "Issued, UTC", lambda row: instant(row.created_at)),
            Column(
                "expires",
                "Expires, UTC",
                lambda row: (
                    instant(row.expires_at) if row.expires_at else nothing("never")
                ),
            ),
        ),
    )


def keys(asked: Asked) -> Shown:
    """Return the tab of keys, the newest first."""
    rows = selectors.api_keys(now=asked.now, tenant_id=asked.tenant.pk)
    listed = reverse("admin:tenants_apikey_changelist")
    return Shown(
        parts=[paged(_keys(asked), rows.order_by("-id"), asked.query)],
        links=[Crumb("Search in all keys", f"{listed}?q={asked.tenant.slug}")],
    )


def _used(line: Line) -> Cell:
    if line.bar is None:
        return nothing("not counted")
    running = f", {line.bar.running} running" if line.bar.running else ""
    return Cell(
        f"{line.bar.percent} %",
        f"{line.bar.percent}",
        note=f"{line.bar.used}{running}; {line.bar.left} left",
        share=line.bar.percent * 10,
    )


def _limits(asked: Asked) -> Table[Line]:
    def to_raise(line: Line) -> Cell:
        address = raise_address(asked.tenant, line, asked.reader)
        return words("raise", address=address) if address else words("")

    return Table(
        name="limits",
        title="Limits in effect",
        note="All of these hold at once; of each kind the tightest binds.",
        empty=Empty("No limit holds", "Nothing is held back."),
        columns=(
            Column("counted", "Counted", lambda row: words(row.counted)),
            Column(
                "amount",
                "Limit",
                lambda row: words(
                    row.amount,
                    address=row.address,
                    note="binds" if row.is_binding else "",
                ),
                Kind.NUMBER,
            ),
            Column("used", "Used", _used, Kind.NUMBER),
            Column("model", "Model", lambda row: words(row.model)),
            Column("does", "At the limit", lambda row: words(row.does)),
            Column(
                "from",
                "Comes from",
                lambda row: words(row.comes_from, note=row.beside),
            ),
            Column("raise", "Raise", to_raise),
        ),
    )


def limits(asked: Asked) -> Shown:
    """Return the tab of limits."""
    found = limits_of(asked.tenant, now=asked.now)
    links = [Crumb(f"Set a {name}", where) for name, where in found.to_set.items()]
    if found.plan is not None:
        plan = reverse("admin:tenants_plan_change", args=(found.plan.pk,))
        links.insert(0, Crumb(f"Plan {found.plan}", plan))
    return Shown(parts=[Part(_limits(asked), found.lines)], links=links)
