"""How tenants and projects stand: keys, use, charges, for a page of them at once."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q
from django.utils import timezone
from django.utils.timesince import timesince

from tenants.admin import figures
from tenants.models import ApiKey


@dataclass(frozen=True, slots=True)
class Standing:
    """What the columns of a list show; charges are None where nobody knows them."""

    active_keys: int = 0
    last_used_at: dt.datetime | None = None
    charged_picos: int | None = None


def standings(rows: Sequence[Any]) -> list[Standing]:
    """Return how tenants stand, in their order; two statements for all of them."""
    now, ids = timezone.now(), [row.pk for row in rows]
    keys, known = _keys("tenant_id", ids, now=now), figures.source()
    charged = known.charged_this_month(tenant_ids=ids, now=now) if known else None
    return [Standing(*keys.get(each, (0, None)), _of(each, charged)) for each in ids]


def project_standings(rows: Sequence[Any]) -> list[Standing]:
    """Return how projects stand, in their order, in one statement."""
    ids = [row.pk for row in rows]
    keys = _keys("project_id", ids, now=timezone.now())
    return [Standing(*keys.get(each, (0, None))) for each in ids]


def ago(instant: dt.datetime | None) -> str:
    """Say how long ago something was, or that it never was."""
    return f"{timesince(instant, depth=1)} ago" if instant else "never"


def _keys(
    of: str, ids: Sequence[int], *, now: dt.datetime
) -> dict[int, tuple[int, dt.datetime | None]]:
    """Return the number of keys in force and the last use of any, by owner.

    A suspended tenant's keys count: they would work again.
    """
    kept = Q(revoked_at=None, disabled_at=None, project__archived_at=None)
    running = Q(expires_at=None) | Q(expires_at__gt=now)
    owned = ApiKey.objects.filter(**{f"{of}__in": ids}).order_by().values(of)
    counted = owned.annotate(
        active=Count("id", filter=kept & running), used_at=Max("use__last_used_at")
    )
    return {each[of]: (each["active"], each["used_at"]) for each in counted}


def _of(tenant_id: int, charged: Any) -> int | None:
    return None if charged is None else charged.get(tenant_id, 0)
