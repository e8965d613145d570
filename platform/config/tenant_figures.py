"""What metering and serving tell the tenants' pages of the admin."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from inference.control import live
from inference.control.models import Publication
from metering.billing.models import Invoice
from metering.budgets import selectors as budgets
from metering.usage import standing
from tenants.admin.figures import Known, Use
from tenants.models import ApiKey, Project, Tenant

_UNPAID = (Invoice.State.DRAFT, Invoice.State.OPEN)


class MeteredFigures:
    """The figures of usage and billing, read when they are asked for."""

    def charged_this_month(
        self, *, tenant_ids: Collection[int], now: dt.datetime
    ) -> Mapping[int, int]:
        """Return what tenants were charged so far, in picos of their currency."""
        return standing.charged_this_month(tenant_ids=tenant_ids, now=now)

    def requests_since(
        self,
        *,
        since: dt.datetime,
        tenant_ids: Collection[int],
        api_key_ids: Collection[int] | None = None,
    ) -> int:
        """Count the requests admitted since then."""
        return standing.requests_since(
            since=since, tenant_ids=tenant_ids, api_key_ids=api_key_ids
        )

    def uses(
        self,
        *,
        tenant: Tenant,
        now: dt.datetime,
        project: Project | None = None,
        api_key: ApiKey | None = None,
    ) -> Sequence[Use]:
        """Return what is used of all that a tenant, project or key counts to."""
        found = budgets.standing(
            tenant=tenant, project=project, api_key=api_key, now=now
        )
        return [_use(place) for place in found.places]

    def key_known_by(self, *, digest: str, now: dt.datetime) -> Known | None:
        """Return how far the last change of a key has come."""
        found = live.seen(kind=Publication.Kind.API_KEY, key=digest, now=now)
        return None if found is None else Known(by=found.by, of=found.of)

    def unpaid_invoices(self, *, tenant_ids: Collection[int]) -> int:
        """Count the invoices that are drafts or open."""
        rows = Invoice.objects.filter(tenant_id__in=tenant_ids, state__in=_UNPAID)
        return rows.count()


def _use(place: budgets.Place) -> Use:
    what, coming = place.what, place.expiring
    return Use(
        kind=what.kind,
        level=what.level,
        unit=what.unit,
        window=what.window,
        model=what.model,
        is_hard=what.is_hard,
        currency=place.currency,
        limit=place.limit,
        posted=place.posted,
        held=place.held,
        ends_at=None if place.is_for_ever else place.ends_at,
        expiring=(coming.picos, coming.at) if coming else None,
    )
