"""One API key: how it stands, what it may, what it spent, what was done to it.

After a change that closes it, the page says on how many gateways it is stopped, and
looks again until it is all of them.

Failure: a key out of the member's reach is not there.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.http import require_safe

from inference.control import live
from kit.acting import current
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.budgets.selectors import standing
from metering.usage.selectors import UsageQuery, usage
from pages.access import live_page
from pages.console.frame import address_in
from pages.console.holding import holding_table, kept_to
from pages.console.keys.parts import (
    at_key,
    lately,
    may_change,
)
from pages.console.place import place_page, require
from pages.console.records.changes import changes, changes_table
from pages.console.spending import running
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, clock, nothing, words
from pages.design.heading import Crumb, Heading
from pages.design.progress import Progress
from pages.design.states import Empty
from pages.design.tiles import Tile, missing_tile, money_tile, number_tile
from tenants import selectors
from tenants.models import ApiKey, KeyState, Member

CHANGES_SHOWN = 20
# How long after it was closed a page says where a key is stopped.
_TOLD_FOR = dt.timedelta(hours=1)
_ENDED = frozenset({KeyState.REVOKED, KeyState.ARCHIVED})


@require_safe
@live_page
@place_page
def key(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Show a key or, asked for a part, how far its end has come."""
    require(Scope.KEYS_READ)
    now, query = timezone.now(), query_of(request.GET)
    row = selectors.api_key(key_id)
    stopping = _stopping(row, now=now)
    if query.get("part") == "stopping":
        context: dict[str, Any] = {"progress": stopping}
        return render(request, "pages/parts/progress.html", context)
    at = row.state_at(now)
    context = {
        "place": place,
        "heading": Heading(
            row.name,
            scope=(row.shown, f"project {row.project.name}"),
            crumbs=(Crumb("API keys", address_in(place.tenant)("console:keys")),),
            acts=_acts(row, at),
        ),
        "progress": stopping,
        "tiles": _tiles(place, row, at, now=now),
        "facts": _facts(row, now=now),
        "tables": _tables(place, row, query, now=now),
        "may_end": may_change(row) and at is not KeyState.REVOKED,
        "revoke": at_key(row, "key_revoke"),
    }
    return render(request, "pages/console/keys/key.html", context)


def _acts(row: ApiKey, at: KeyState) -> tuple[Crumb, ...]:
    if not may_change(row) or at in _ENDED:
        return ()
    acts = [Crumb("Change", at_key(row, "key_change"))]
    is_shown = row.member_id is None or row.member_id == current().member_id
    is_replaced = ApiKey.objects.filter(replaces=row).exists()
    if is_shown and at is KeyState.ACTIVE and not is_replaced:
        acts.append(Crumb("Rotate", at_key(row, "key_rotate")))
    if row.disabled_at is None:
        acts.append(Crumb("Disable", at_key(row, "key_disable")))
    else:
        acts.append(Crumb("Enable", at_key(row, "key_enable")))
    if current().may(Scope.LIMITS_WRITE):
        acts.append(Crumb("Limit", at_key(row, "key_limit")))
    return tuple(acts)


def _stopping(row: ApiKey, *, now: dt.datetime) -> Progress | None:
    """Return on how many gateways a key that was closed lately is stopped."""
    closed = [at for at in (row.revoked_at, row.disabled_at) if at is not None]
    if not closed or now - max(closed) > _TOLD_FOR:
        return None
    seen = live.own_key_seen(digest=row.digest, now=now)
    by, of = (seen.by, seen.of) if seen else (0, 0)
    is_over = bool(of) and by == of
    verb = "Revoked" if row.revoked_at else "Disabled"
    shown = clock(max(closed), row.tenant.zone).title
    return Progress(
        title=f"{verb} at {shown}: stopped on gateways",
        done=by,
        whole=of,
        unit="gateways",
        state=Badge("stopped", Tone.GOOD) if is_over else Badge("stopping", Tone.WAIT),
        address="?part=stopping",
        is_over=is_over,
        note="" if of else "none says that it runs just now",
    )


def _tiles(place: Member, row: ApiKey, at: KeyState, *, now: dt.datetime) -> list[Tile]:
    currency = place.tenant.currency
    tiles = [
        Tile("State", at.value, note=_why(row, at)),
        Tile("In the last hour", lately(place.tenant, [row.pk], now=now)),
    ]
    span = running(place.tenant, now=now)
    if span is None:
        return [*tiles, missing_tile("Spend", note="no billing period yet")]
    asked = UsageQuery(
        start=span.first_date,
        end=span.end_date,
        tenant_id=place.tenant_id,
        api_key_id=row.pk,
        reach=current().project_ids,
    )
    try:
        totals = usage(asked, now=now).totals
    except InvalidRequest:
        return tiles
    found = [each for each in totals if each.currency == currency]
    note = f"{span.name} so far, before tax"
    return [
        money_tile(
            "Spend", sum(each.charge_picos for each in found), currency, note=note
        ),
        number_tile("Requests", sum(each.requests for each in found), note=note),
        number_tile(
            "Tokens",
            sum(
                each.input_tokens + each.cached_input_tokens + each.output_tokens
                for each in found
            ),
            note=note,
        ),
        *tiles,
    ]


def _why(row: ApiKey, at: KeyState) -> str:
    """Say since when, or why, it does not open the door."""
    since = {
        KeyState.REVOKED: row.revoked_at,
        KeyState.DISABLED: row.disabled_at,
        KeyState.EXPIRED: row.expires_at,
        KeyState.ARCHIVED: row.project.archived_at,
    }.get(at)
    if since is not None:
        return f"since {clock(since, row.tenant.zone).title}"
    return "with the tenant" if at is KeyState.SUSPENDED else ""


def _facts(row: ApiKey, *, now: dt.datetime) -> list[tuple[str, Cell]]:
    newer = ApiKey.objects.filter(replaces=row).select_related("tenant").first()
    older, zone = row.replaces, row.tenant.zone
    found = [
        ("First letters", words(row.shown)),
        ("Holder", _holder(row)),
        ("It may", words(", ".join(row.scopes))),
        ("Models", words(", ".join(row.allowed_models) or "every model")),
        ("From", words(", ".join(row.allowed_networks) or "everywhere")),
        ("Priority", words(row.priority)),
        ("Last used", _last_used(row, now=now)),
        (f"Issued ({zone})", clock(row.created_at, zone)),
        (
            f"Expires ({zone})",
            clock(row.expires_at, zone) if row.expires_at else nothing("never"),
        ),
    ]
    if newer is not None:
        found.append(("Replaced by", words(str(newer), address=at_key(newer))))
    if older is not None:
        found.append(("In place of", words(str(older), address=at_key(older))))
    return found


def _holder(row: ApiKey) -> Cell:
    if row.member is None:
        return nothing("nobody: a service's")
    return words(row.member.email or "somebody forgotten")


def _last_used(row: ApiKey, *, now: dt.datetime) -> Cell:
    use = row.last_use
    if use is None:
        return nothing("never")
    return words(
        f"{timesince(use.last_used_at, now, depth=1)} ago", note=f"for {use.model}"
    )


def _tables(place: Member, row: ApiKey, query: Any, *, now: dt.datetime) -> list[Any]:
    tenant = place.tenant
    places = kept_to(standing(tenant=tenant, api_key=row, now=now))
    limits = holding_table(
        "budgets and quotas that it counts to", _no_limit(row), tenant.zone
    )
    tables = [limits.laid_out(places, query)]
    if current().may(Scope.AUDIT_READ):
        rows = selectors.audit_entries(
            tenant_id=tenant.pk, object_kind="api_key", object_id=str(row.pk)
        )
        found = changes(list(rows.order_by("-id")[:CHANGES_SHOWN]), tenant)
        tables.append(
            replace(changes_table(tenant.zone), has_file=False).laid_out(
                found, query, count=len(found)
            )
        )
    return tables


def _no_limit(row: ApiKey) -> Empty:
    """Say that nothing holds, and where something is set by who may."""
    may_set = current().may(Scope.LIMITS_WRITE) and row.revoked_at is None
    return Empty(
        "No budget and no quota holds for it",
        "What it spends is held back by nothing but the tenant's credit.",
        "Set one" if may_set else "",
        at_key(row, "key_limit") if may_set else "",
    )
