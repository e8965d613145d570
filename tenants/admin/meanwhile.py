"""Who changed a row last, as the audit has it: for whoever finds it changed."""

from django.db.models import Model
from django.utils.formats import date_format

from kit.orm.audited import Audited
from tenants import selectors
from tenants.models.audit import INSTALLATION


def last_change(row: Model) -> str:
    """Say who changed a row last and when; empty where the audit has nothing of it."""
    audited: Audited | None = getattr(row, "audited", None)
    if audited is None:
        return ""
    chain = getattr(row, audited.tenant) if audited.tenant else INSTALLATION
    entries = selectors.audit_entries(
        tenant_id=chain, object_kind=audited.noun, object_id=str(row.pk)
    )
    last = entries.order_by("-seq").first()
    if last is None:
        return ""
    named = selectors.audit_actors([last])[selectors.actor_key(last)]
    kind = last.actor_kind.replace("_", " ")
    return f"{named.name or named.email or kind} at {date_format(last.at, 'H:i:s')}"
