"""What the pages of API keys share: a key's state, its limit, who may change it."""

import datetime as dt

from django.db.models import F, Q
from django.urls import reverse

from kit.acting import current
from kit.errors import PermissionDenied
from kit.scopes import Scope
from metering.budgets.selectors import Place
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, nothing, percent_text
from pages.figures import count, exact
from tenants import activity, rights
from tenants.models import ApiKey, KeyState
from tenants.models import Tenant as Owner

_TONES = {
    KeyState.ACTIVE: Tone.GOOD,
    KeyState.REVOKED: Tone.OVER,
    KeyState.EXPIRED: Tone.OVER,
    KeyState.ARCHIVED: Tone.OVER,
}
_WINDOWS = {"day": "a day", "month": "a month", "forever": "in all"}
_MILLE = 1000
# What the playground issues for itself: of a member, for an hour, as both clocks say.
PLAYGROUND = Q(
    name="Playground",
    member__isnull=False,
    expires_at__lte=F("created_at") + dt.timedelta(hours=1, minutes=5),
)
LATELY = dt.timedelta(hours=1)


def at_key(row: ApiKey, page: str = "key") -> str:
    """Return the address of one of a key's pages."""
    return reverse(f"console:{page}", args=(row.tenant.slug, row.pk))


def key_badge(found: KeyState) -> Badge:
    """Return a key's state as a badge."""
    return Badge(found.value, _TONES.get(found, Tone.WAIT))


def limit_cell(place: Place | None) -> Cell:
    """Return how far a limit is used, with a bar, and whether it stops or warns."""
    if place is None:
        return nothing("none of its own")
    used = place.posted + place.held
    share = min(used * _MILLE // place.limit, _MILLE) if place.limit else _MILLE
    percent = percent_text(used, place.limit) or "100.0"
    does = "stops" if place.what.is_hard else "warns"
    model = f" of {place.what.model}" if place.what.model else ""
    window = _WINDOWS[place.what.window]
    return Cell(
        f"{percent} %",
        percent,
        note=f"of {limit_words(place)} {window}{model}, {does}",
        share=share,
    )


def limit_words(place: Place) -> str:
    """Return how much a limit is, with its currency or unit."""
    if place.currency:
        return exact(place.limit, place.currency)
    return f"{count(place.limit)} {place.what.unit.replace('_', ' ')}"


def may_change(row: ApiKey) -> bool:
    """Tell whether whoever acts may change a key: its holder, an owner or an admin."""
    actor = current()
    if not actor.may(Scope.KEYS_WRITE):
        return False
    is_own = row.member_id is not None and row.member_id == actor.member_id
    return is_own or rights.manages(actor)


def require_own(row: ApiKey) -> None:
    """Raise `PermissionDenied` unless whoever acts may change a key."""
    if not may_change(row):
        raise PermissionDenied("This key is its holder's, an owner's or admin's.")


def lately(tenant: Owner, key_ids: list[int], *, now: dt.datetime) -> str:
    """Say how many requests some keys made within the last hour."""
    found = activity.requests_since(
        now - LATELY, tenant_id=tenant.pk, api_key_ids=key_ids
    )
    said = activity.said(found)
    return f"{said} request{'' if found == 1 else 's'}"
