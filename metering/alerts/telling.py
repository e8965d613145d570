"""Write down what is told, and to whom: one event, and a delivery for each reader.

Of a tenant's budgets its owners and admins are told, its billing members, its billing
address, and of a key's budget the member whose key it is; each address once. Who
chose to get no mails of a topic gets none. Endpoints
are the tenant's own, and those of the installation. Nothing is sent here: what is
committed is sent by the deliveries' own scans, however often a process dies.
"""

import datetime as dt
from collections.abc import Iterable, Mapping

from django.db.models import Q

from kit.ids import uuid7
from kit.json_values import JsonObject
from kit.money import decimal_from_picos
from metering.alerts.in_force import Holder
from metering.alerts.models import Delivery, Endpoint, Event, EventType
from metering.budgets.models import Window
from tenants.mails.topics import Topic, wants
from tenants.models import Member, Role, Tenant

_TOLD_OF_BUDGETS = (Role.OWNER, Role.ADMIN, Role.BILLING)
_TOLD_OF_ENDPOINTS = (Role.OWNER, Role.ADMIN)
_TOLD_OF_MODELS = (Role.OWNER, Role.ADMIN)
# Who gets which mail, for people: see the functions below for who else does.
MAILED: Mapping[EventType, tuple[Role, ...]] = {
    EventType.THRESHOLD_REACHED: _TOLD_OF_BUDGETS,
    EventType.SPENT: _TOLD_OF_BUDGETS,
    EventType.RESUMED: _TOLD_OF_BUDGETS,
    EventType.TOP_UP_WAITING: _TOLD_OF_BUDGETS,
    EventType.TOP_UP_FAILED: _TOLD_OF_BUDGETS,
    EventType.MODEL_RETIRING: _TOLD_OF_MODELS,
    EventType.ENDPOINT_PAUSED: _TOLD_OF_ENDPOINTS,
}
TOPICS: Mapping[EventType, Topic] = {
    EventType.THRESHOLD_REACHED: Topic.LIMITS,
    EventType.SPENT: Topic.LIMITS,
    EventType.RESUMED: Topic.LIMITS,
    EventType.TOP_UP_WAITING: Topic.TOP_UPS,
    EventType.TOP_UP_FAILED: Topic.TOP_UPS,
    EventType.MODEL_RETIRING: Topic.MODELS,
    EventType.ENDPOINT_PAUSED: Topic.WEBHOOKS,
}


def tell_of_budget(
    event_type: EventType, *, holder: Holder, data: JsonObject, now: dt.datetime
) -> Event:
    """Tell a tenant's people and all endpoints of one of its budgets."""
    tenant = holder.tenant
    event = write(event_type, tenant=tenant, data=data, now=now)
    members = _members(tenant, _TOLD_OF_BUDGETS)
    owner = holder.api_key.member if holder.api_key else None
    if owner is not None and owner.removed_at is None and owner.email:
        members = [*members, owner]
    _to_people(event, members, billing_email=tenant.billing_email, now=now)
    _to_endpoints(event, _endpoints(tenant, event_type), now=now)
    return event


def tell_of_top_up(
    event_type: EventType, *, tenant: Tenant, data: JsonObject, now: dt.datetime
) -> Event:
    """Tell a tenant's people and all endpoints of credit that could not be bought."""
    said: JsonObject = {"tenant": _tenant_data(tenant)}
    event = write(event_type, tenant=tenant, data=said | data, now=now)
    members = _members(tenant, _TOLD_OF_BUDGETS)
    _to_people(event, members, billing_email=tenant.billing_email, now=now)
    _to_endpoints(event, _endpoints(tenant, event_type), now=now)
    return event


def tell_of_model(
    *, tenant: Tenant, data: JsonObject, once: str, now: dt.datetime
) -> Event:
    """Tell a tenant's owners, admins and all endpoints of a model that retires.

    Raises `IntegrityError` where the tenant was told of `once` before.
    """
    said: JsonObject = {"tenant": _tenant_data(tenant)}
    event = write(
        EventType.MODEL_RETIRING, tenant=tenant, data=said | data, now=now, once=once
    )
    _to_people(event, _members(tenant, _TOLD_OF_MODELS), billing_email="", now=now)
    _to_endpoints(event, _endpoints(tenant, EventType.MODEL_RETIRING), now=now)
    return event


def tell_of_endpoint(endpoint: Endpoint, *, now: dt.datetime) -> None:
    """Tell a tenant's owners and admins, by mail, that an endpoint was paused."""
    if endpoint.tenant is None:
        return
    data = {"endpoint": _endpoint_data(endpoint)}
    event = write(EventType.ENDPOINT_PAUSED, tenant=endpoint.tenant, data=data, now=now)
    members = _members(endpoint.tenant, _TOLD_OF_ENDPOINTS)
    _to_people(event, members, billing_email="", now=now)


def tell_test(endpoint: Endpoint, *, now: dt.datetime) -> Delivery:
    """Tell one endpoint something that means nothing; return the delivery."""
    tenant = endpoint.tenant
    data = {
        "tenant": None if tenant is None else _tenant_data(tenant),
        "endpoint": _endpoint_data(endpoint),
    }
    event = write(EventType.TEST, tenant=tenant, data=data, now=now)
    [delivery] = _to_endpoints(event, [endpoint], now=now)
    return delivery


def tell_test_mail(member: Member, *, now: dt.datetime) -> Delivery:
    """Send one member a mail that means nothing; return the delivery."""
    data = {"tenant": _tenant_data(member.tenant)}
    event = write(EventType.TEST, tenant=member.tenant, data=data, now=now)
    [delivery] = _to_people(event, [member], billing_email="", now=now)
    return delivery


def write(
    event_type: EventType,
    *,
    tenant: Tenant | None,
    data: JsonObject,
    now: dt.datetime,
    once: str = "",
) -> Event:
    """Write an event down, for nobody yet."""
    return Event.objects.create(
        tenant=tenant,
        uid=uuid7(int(now.timestamp() * 1000)),
        type=event_type,
        data=data,
        once=once,
        created_at=now,
    )


def data_of(
    window: Window,
    holder: Holder,
    *,
    is_hard: bool,
    share: int,
    limit: int | None,
    used: int,
    limit_id: int | None,
) -> JsonObject:
    """Return what is told of a window: of one tenant, and of nothing that was said."""
    is_tokens = window.kind == Window.Kind.QUOTA

    def shown(amount: int | None) -> str | None:
        if amount is None:
            return None
        return str(amount) if is_tokens else decimal_from_picos(amount)

    return {
        "tenant": _tenant_data(holder.tenant),
        "scope": {"level": window.level, "id": holder.id, "name": holder.name},
        "kind": window.kind,
        "limit_id": limit_id,
        "unit": window.unit if is_tokens else "money",
        "currency": None if is_tokens else holder.tenant.currency,
        "window": window.window,
        "starts_at": _instant(window, window.starts_at),
        "ends_at": _instant(window, window.ends_at),
        "model": window.model or None,
        "is_hard": is_hard,
        "share": share,
        "limit": shown(limit),
        "used": shown(used),
        "limit_picos": None if is_tokens or limit is None else str(limit),
        "used_picos": None if is_tokens else str(used),
    }


def limit_anchor(kind: str, limit_id: int, level: str, holder_id: int) -> str:
    """Return how a limit's row is marked on pages: a plan's has many holders."""
    return f"{kind}-{limit_id}-{level}-{holder_id}"


def _tenant_data(tenant: Tenant) -> JsonObject:
    return {"id": tenant.pk, "slug": tenant.slug, "name": tenant.name}


def _endpoint_data(endpoint: Endpoint) -> Mapping[str, object]:
    return {"id": endpoint.pk, "name": endpoint.name}


def _instant(window: Window, at: dt.datetime) -> str | None:
    """Return an instant of a window; what is for ever has none."""
    if window.window == "forever":
        return None
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _members(tenant: Tenant, roles: Iterable[Role]) -> list[Member]:
    rows = Member.objects.filter(tenant=tenant, role__in=list(roles), removed_at=None)
    return list(rows.exclude(email="").order_by("pk"))


def _endpoints(tenant: Tenant, event_type: EventType) -> list[Endpoint]:
    rows = Endpoint.objects.filter(
        Q(tenant=tenant) | Q(tenant=None), removed_at=None, paused_at=None
    )
    return list(
        rows.filter(Q(events=[]) | Q(events__contains=[event_type])).order_by("pk")
    )


def _to_people(
    event: Event, members: Iterable[Member], *, billing_email: str, now: dt.datetime
) -> list[Delivery]:
    readers: dict[str, Member | None] = {}
    topic = TOPICS.get(EventType(event.type))
    for member in members:
        if topic is not None and not wants(member, topic):
            continue
        readers.setdefault(member.email.lower(), member)
    if billing_email:
        readers.setdefault(billing_email.lower(), None)
    return Delivery.objects.bulk_create(
        Delivery(
            tenant_id=event.tenant_id,
            event=event,
            channel=Delivery.Channel.MAIL,
            member=member,
            next_at=now,
            created_at=now,
        )
        for member in readers.values()
    )


def _to_endpoints(
    event: Event, endpoints: Iterable[Endpoint], *, now: dt.datetime
) -> list[Delivery]:
    return Delivery.objects.bulk_create(
        Delivery(
            tenant_id=endpoint.tenant_id,
            event=event,
            channel=Delivery.Channel.WEBHOOK,
            endpoint=endpoint,
            next_at=now,
            created_at=now,
        )
        for endpoint in endpoints
    )
