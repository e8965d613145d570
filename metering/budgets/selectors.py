"""What may still be spent: of each budget, quota and credit that a call counts to.

One answer for the API, the admin and whoever asks: limits, what is used and what is
leased are read in one statement, by the functions and rows that decide each grant.

Failure: none of its own. Where the tenant's calendar does not reach, as for an instant
long past, a window has no bounds and is left out.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kit.contracts import BudgetPlace
from kit.orm.atomic import cursor
from tenants.limits.resolution import Effective, Kind
from tenants.models import ApiKey, Level, Project, Tenant
from tenants.selectors import EffectiveLimits, effective_limits, limits_of_each

CREDIT = "credit"
# A limit that changes between being resolved and being read is resolved again.
_TRIES = 3

# With the credit that ends next, and how much is in use, as of the same moment.
_STANDING = """
SELECT standing.*, coming.expires_at, coming.picos,
    CASE (%(kinds)s::text[])[standing.number] WHEN 'credit'
        THEN credit_in_use(%(tenant)s, %(at)s, standing.posted) END
FROM budgets_standing(
    %(tenant)s, %(at)s, %(levels)s::text[], %(holders)s::bigint[], %(kinds)s::text[],
    %(units)s::text[], %(windows)s::text[], %(models)s::text[], %(hards)s::boolean[]
) standing
LEFT JOIN LATERAL (
    SELECT it.expires_at, sum(burning.unused) AS picos
    FROM ledger_creditgrant it
    JOIN credit_burning(%(tenant)s, standing.posted) burning
        ON burning.grant_id = it.id
    WHERE it.tenant_id = %(tenant)s AND it.expires_at > %(at)s AND burning.unused > 0
    GROUP BY it.expires_at ORDER BY it.expires_at LIMIT 1
) coming ON (%(kinds)s::text[])[standing.number] = 'credit'
"""


@dataclass(frozen=True, slots=True)
class Expiring:
    """The credit that ends next, if it is not used before."""

    at: dt.datetime
    picos: int


@dataclass(frozen=True, slots=True)
class Place:
    """How one limit in force stands in its running window; picos, or tokens.

    `posted` is what ended requests used, `held` what running ones have used so far and
    `leased` what gateways have set aside, `held` included. `limited_by` is the row that
    it comes from; credit comes from none, and may be `expiring`. Of credit, `limit` is
    the grants that are not used up, or else the last one, and `posted` what of them is.
    """

    what: BudgetPlace
    currency: str
    limit: int
    posted: int
    held: int
    leased: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    limited_by: Effective | None = None
    expiring: Expiring | None = None

    @property
    def left(self) -> int:
        """Return what is left; below zero when more was used than is allowed now."""
        return self.limit - self.posted - self.held

    @property
    def available(self) -> int:
        """Return what may still be used: what is set aside and idle is given back."""
        return max(self.left, 0)

    @property
    def share_used(self) -> float:
        """Return how much of it is used, 1.0 for all; nothing is all of nothing."""
        used = self.posted + self.held
        return used / self.limit if self.limit else 1.0

    @property
    def is_for_ever(self) -> bool:
        """Tell whether its window is all time."""
        return self.what.window == "forever"


@dataclass(frozen=True, slots=True)
class Standing:
    """How everything stands that a tenant, project or key counts to; tightest first."""

    limits: EffectiveLimits
    places: tuple[Place, ...]

    @property
    def binding(self) -> Place | None:
        """Return the hard place with the smallest share left; None when none stops."""
        return next((each for each in self.places if each.what.is_hard), None)


def standing(
    *,
    tenant: Tenant,
    now: dt.datetime,
    project: Project | None = None,
    api_key: ApiKey | None = None,
    model: str | None = None,
) -> Standing:
    """Say what may still be spent by a tenant, one of its projects, or one of its keys.

    Without a `model` the limits of every model are told.
    """
    for _ in range(_TRIES):
        limits = effective_limits(
            tenant=tenant, project=project, api_key=api_key, model=model, now=now
        )
        asked = _asked(tenant, limits)
        places = read_places(tenant, asked, now)
        if all(_is_same(place) for place in places):
            break
    return Standing(limits, tuple(sorted(places, key=_tightness)))


def standing_of_each(
    *, tenant: Tenant, level: Level, holder_ids: Collection[int], now: dt.datetime
) -> Mapping[int, Place]:
    """Say of each of some projects or keys how its own tightest limit stands.

    Those without one are left out. Four statements, however many there are.
    """
    chain = limits_of_each(tenant=tenant, level=level, holder_ids=holder_ids, now=now)
    places = read_places(tenant, _in_windows(tenant, chain), now)
    found: dict[int, Place] = {}
    for place in sorted(places, key=_tightness):
        found.setdefault(place.what.holder_id, place)
    return found


def _tightness(place: Place) -> tuple[float, bool, int]:
    return (-place.share_used, not place.what.is_hard, place.limit)


def _asked(
    tenant: Tenant, limits: EffectiveLimits
) -> list[tuple[BudgetPlace, Effective | None]]:
    """Return the places of a chain that have windows, credit first."""
    asked: list[tuple[BudgetPlace, Effective | None]] = []
    if tenant.payment_mode == Tenant.PaymentMode.PREPAID:
        what = ("tenant", tenant.pk, CREDIT, "", "forever", "", True)
        asked.append((BudgetPlace(tenant.pk, *what), None))
    return asked + _in_windows(tenant, limits.chain)


def _in_windows(
    tenant: Tenant, chain: Sequence[Effective]
) -> list[tuple[BudgetPlace, Effective | None]]:
    """Return the places of limits that are counted in a window."""
    asked: list[tuple[BudgetPlace, Effective | None]] = []
    for each in chain:
        if each.row.measure.kind is not Kind.RATE_LIMIT:
            asked.append((place_of(tenant, each), each))
    return asked


def place_of(tenant: Tenant, each: Effective) -> BudgetPlace:
    """Return the place that a budget or quota in effect takes."""
    row = each.row
    return BudgetPlace(
        tenant_id=tenant.pk,
        level=row.level,
        holder_id=each.holder_id,
        kind=row.measure.kind.value,
        unit=row.measure.unit,
        window=row.measure.window,
        model=row.model,
        is_hard=row.is_hard,
    )


def read_places(
    tenant: Tenant,
    asked: Sequence[tuple[BudgetPlace, Effective | None]],
    now: dt.datetime,
) -> list[Place]:
    """Say how places stand, all as of one moment; those that ended are left out."""
    if not asked:
        return []
    places = [place for place, _ in asked]
    with cursor() as session:
        session.execute(
            _STANDING,
            {
                "tenant": tenant.pk,
                "at": now,
                "levels": [each.level for each in places],
                "holders": [each.holder_id for each in places],
                "kinds": [each.kind for each in places],
                "units": [each.unit for each in places],
                "windows": [each.window for each in places],
                "models": [each.model for each in places],
                "hards": [each.is_hard for each in places],
            },
        )
        rows = session.fetchall()
    found = []
    for number, starts_at, ends_at, limit, posted, held, leased, *credit in rows:
        if limit is None:
            # It was ended a moment ago.
            continue
        what, limited_by = asked[number - 1]
        *coming, in_use = credit
        # What was granted and used up before is left out of both.
        gone = 0 if in_use is None else int(limit) - int(in_use)
        found.append(
            Place(
                what=what,
                currency="" if what.kind == Kind.QUOTA else tenant.currency,
                limit=int(limit) - gone,
                posted=int(posted) - gone,
                held=int(held),
                leased=int(leased),
                starts_at=starts_at,
                ends_at=ends_at,
                limited_by=limited_by,
                expiring=Expiring(coming[0], int(coming[1])) if coming[0] else None,
            )
        )
    return found


def _is_same(place: Place) -> bool:
    """Tell whether the row that was resolved says the limit that is in force."""
    return place.limited_by is None or place.limited_by.row.value == place.limit
