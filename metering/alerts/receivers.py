"""Have windows looked at anew when a limit on them changes, in the same transaction."""

from typing import Any

from kit.orm.audited import Told, changed
from metering.alerts.watching import mark
from metering.ledger.models import CreditGrant
from tenants.models import Budget, Plan, Quota, Tenant

_FIELDS_OF_PLANS = frozenset({"is_default"})
_FIELDS_OF_TENANTS = frozenset({"plan_id", "currency", "payment_mode"})


def connect() -> None:
    """Hear of every change from now on."""
    changed.connect(_note, dispatch_uid="alerts.limits_changed")


def _note(sender: Any, told: Told, **_: Any) -> None:
    row = told.row
    differing = told.after.keys() | told.before.keys()
    if isinstance(row, Budget | Quota):
        mark(tenant_id=row.tenant_id, plan_id=row.plan_id)
    elif isinstance(row, CreditGrant):
        mark(tenant_id=row.tenant_id)
    elif isinstance(row, Tenant) and told.before and differing & _FIELDS_OF_TENANTS:
        mark(tenant_id=row.pk)
    elif isinstance(row, Plan) and told.before and differing & _FIELDS_OF_PLANS:
        # Whoever is on no plan has other limits from now on.
        mark()
