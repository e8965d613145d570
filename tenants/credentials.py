"""What API keys and management tokens have in common: their properties, made right.

Failure: a value that is not right is an `InvalidRequest` that names its field; giving
more than one holds is `PermissionDenied`. Writes nothing.
"""

import datetime as dt
from collections.abc import Collection, Iterable

from kit.errors import Conflict, InvalidRequest, PlatformError
from kit.networks import network_of
from kit.scopes import Scope, beyond
from tenants import catalog, rights
from tenants.models import Member, Tenant
from tenants.roles import scopes_of

NETWORKS_MAX = 50
MODELS_MAX = 200
OVERLAP_DEFAULT = dt.timedelta(hours=24)
OVERLAP_MAX = dt.timedelta(days=7)


def scopes_given(
    asked: Iterable[str],
    *,
    among: Collection[Scope],
    member: Member | None,
    kept: Iterable[str] = (),
) -> list[str]:
    """Return scopes as they are stored, each one that may be given.

    `among` is what such a credential can hold, `kept` what it holds already and may go
    on to. A member's own never holds more than its role.
    """
    known = set(Scope)
    unknown = sorted(set(asked := list(asked)) - known)
    scopes = {Scope(each) for each in asked if each in known}
    if unknown or beyond(scopes, among):
        wrong = unknown[0] if unknown else beyond(scopes, among)[0]
        raise InvalidRequest(
            f"It cannot hold '{wrong}'; there are: {', '.join(sorted(among))}.",
            param="scopes",
        )
    if not scopes:
        raise InvalidRequest("Give at least one scope.", param="scopes")
    rights.refuse_beyond(scopes - {Scope(each) for each in kept})
    if member is not None and (excess := beyond(scopes, scopes_of(member.role))):
        raise InvalidRequest(
            f"Its holder, who is {member.role}, does not hold: {', '.join(excess)}.",
            param="scopes",
        )
    return sorted(scopes)


def networks_of(texts: Iterable[str]) -> list[str]:
    """Return networks in one spelling, each once, IPv4 first, in order.

    Raises `InvalidRequest`, for bits behind a prefix with the network that was meant.
    """
    try:
        networks = {network_of(_without_zone(text)) for text in texts}
    except ValueError as refused:
        raise InvalidRequest(str(refused), param="allowed_networks") from None
    if len(networks) > NETWORKS_MAX:
        raise InvalidRequest(
            f"Give at most {NETWORKS_MAX} networks: join neighbours into larger ones.",
            param="allowed_networks",
        )
    ordered = sorted(
        networks,
        key=lambda each: (each.version, int(each.network_address), each.prefixlen),
    )
    return [str(network) for network in ordered]


def models_of(
    names: Iterable[str], *, is_operators: bool, kept: Collection[str] = ()
) -> list[str]:
    """Return names of served models, each once.

    Operators may name a model that is not offered yet; those that a key names already
    may have gone meanwhile.
    """
    asked = sorted(set(names))
    if len(asked) > MODELS_MAX:
        raise InvalidRequest(
            f"Give at most {MODELS_MAX} models, or none for all.",
            param="allowed_models",
        )
    # Asking is a query: a key that names no model costs none.
    added = set(asked) - set(kept)
    unknown = added and added - catalog.known_models(offered=not is_operators)
    if unknown:
        raise InvalidRequest(
            f"There is no served model '{min(unknown)[:200]}'.", param="allowed_models"
        )
    return asked


def member_of(member: Member, *, tenant: Tenant) -> Member:
    """Return a member of this tenant, locked so that it is not removed meanwhile.

    Raises `InvalidRequest`, for a stranger and for a member that is gone alike.
    """
    rows = Member.objects.select_for_update(no_key=True)
    row = rows.filter(pk=member.pk, tenant=tenant, removed_at=None).first()
    if row is None:
        raise InvalidRequest(f"There is no member {member.pk}.", param="member")
    return row


def require_future(
    expires_at: dt.datetime | None,
    *,
    now: dt.datetime,
    most: dt.timedelta | None = None,
) -> None:
    """Raise `InvalidRequest` for an expiry that has passed, or is beyond `most`."""
    if expires_at is None:
        if most is not None:
            raise InvalidRequest(
                f"Give an expiry, at most {most.days} days from now.",
                param="expires_at",
            )
        return
    if expires_at <= now:
        raise InvalidRequest("Give an expiry in the future.", param="expires_at")
    if most is not None and expires_at > now + most:
        raise InvalidRequest(
            f"Give an expiry at most {most.days} days from now.", param="expires_at"
        )


def require_overlap(overlap: dt.timedelta) -> None:
    """Raise `InvalidRequest` for an overlap that is negative or too long."""
    if not dt.timedelta(0) <= overlap <= OVERLAP_MAX:
        raise InvalidRequest(
            f"Give an overlap from 0 to {int(OVERLAP_MAX.total_seconds())} seconds,"
            f" which is {OVERLAP_MAX.days} days.",
            param="overlap_s",
        )


def end_of_overlap(
    expires_at: dt.datetime | None, *, now: dt.datetime, overlap: dt.timedelta
) -> dt.datetime:
    """Return when what is replaced expires: no later than it would have anyway."""
    end = now + overlap
    return end if expires_at is None else min(expires_at, end)


def refuse_replaced(noun: str, newer: int) -> PlatformError:
    """Return the error of a credential that another one has replaced."""
    return Conflict(
        f"The {noun} was replaced by {noun} {newer}: do this with that one."
    )


def _without_zone(text: str) -> str:
    # A zone names an interface of one host, which means nothing anywhere else.
    if "%" in text:
        raise ValueError(
            f"'{text[:50]}' names an interface: leave out what '%' begins."
        )
    return text
