"""Files that were asked for: what is in them, how many rows, and their hash."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from kit.orm.audited import Audited


class Subject(models.TextChoices):
    """What an export holds."""

    USAGE = "usage", "usage by day"
    LEDGER = "ledger", "ledger entries"
    INVOICES = "invoices", "invoice lines"


class Form(models.TextChoices):
    """How an export is laid out."""

    CSV = "csv", "CSV"
    FOCUS = "focus", "FOCUS 1.2"


class Export(models.Model):
    """One file of one tenant, or of all: asked for, made by the worker, then kept."""

    class State(models.TextChoices):
        WAITING = "waiting"
        READY = "ready"
        FAILED = "failed"
        EXPIRED = "expired"

    tenant = models.ForeignKey(
        "tenants.Tenant", models.PROTECT, related_name="+", null=True, blank=True
    )
    subject = models.CharField(max_length=16, choices=Subject)
    form = models.CharField(max_length=8, choices=Form)
    first_date = models.DateField()
    end_date = models.DateField(help_text="The first date that is not in the file.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    row_count = models.BigIntegerField(null=True, help_text="Without the header.")
    byte_count = models.BigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    complete_to = models.DateTimeField(
        null=True, help_text="All that was used before this instant is in the file."
    )
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    problem = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    made_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    audited: ClassVar = Audited("export", by_people=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(end_date__gt=F("first_date")), name="export_has_length"
            ),
        )
        indexes = (
            models.Index(
                fields=("id",), condition=Q(state="waiting"), name="export_waiting"
            ),
            models.Index(
                fields=("expires_at",),
                condition=Q(state="ready"),
                name="export_to_expire",
            ),
        )

    def __str__(self) -> str:
        return f"{self.subject} {self.first_date} to {self.end_date}"

    @property
    def file_name(self) -> str:
        """Return what the file is called."""
        form = "" if self.form == Form.CSV else f"-{self.form}"
        dates = f"{self.first_date}-to-{self.end_date}"
        return f"tollgate-{self.subject}{form}-{dates}-{self.pk}.csv"


class ExportPart(models.Model):
    """A piece of a file, compressed: read one at a time."""

    export = models.ForeignKey(Export, models.CASCADE, related_name="parts")
    tenant_id = models.BigIntegerField(null=True)
    number = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("export", "number"), name="export_part_once"
            ),
        )

    def __str__(self) -> str:
        return f"part {self.number} of export {self.export_id}"
