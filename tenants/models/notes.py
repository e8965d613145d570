"""What operators note on a tenant, for each other."""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from tenants.models.tenants import Tenant

NOTE_CHARS_MAX = 4000


class Note(models.Model):
    """A few lines on a tenant; tenants see none of them. Append-only.

    `author_id` is the operator's account; None where no person wrote it.
    """

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, db_index=False, related_name="notes"
    )
    text = models.TextField(
        max_length=NOTE_CHARS_MAX, validators=[ProhibitNullCharactersValidator()]
    )
    author_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    # What it says stands in the note itself, which never changes.
    audited: ClassVar = Audited("note", hidden=frozenset({"text"}))

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("tenant", "-id"), name="note_of_tenant"),)

    def __str__(self) -> str:
        return f"note {self.pk} on {self.tenant_id}"
