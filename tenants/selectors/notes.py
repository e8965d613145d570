"""Reads of operators' notes on tenants."""

from collections.abc import Iterable, Mapping

from django.contrib.auth.models import User
from django.db.models import QuerySet

from tenants.models import Note, Tenant


def notes(*, tenant: Tenant) -> QuerySet[Note]:
    """Return the notes on a tenant, the latest first."""
    return Note.objects.filter(tenant=tenant).order_by("-id")


def note_authors(rows: Iterable[Note]) -> Mapping[int, str]:
    """Return how the authors of notes are called now, by account."""
    ids = {row.author_id for row in rows if row.author_id is not None}
    return {
        row.pk: row.get_full_name() or row.username
        for row in User.objects.filter(pk__in=ids)
    }
