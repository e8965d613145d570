"""Who changed what: entries in one chain per tenant, and one of the installation's.

Each entry holds the hash of the one before, so that none can be altered, dropped or put
elsewhere unseen. What is personal stands apart, under a salt of its own; the chain
holds its hash, so forgetting a person breaks nothing.
"""

from django.db import models
from django.db.models.functions import Coalesce, Now

INSTALLATION = 0


class AuditHead(models.Model):
    """The end of a chain; its lock puts the entries in order."""

    # The tenant's id, or `INSTALLATION`.
    chain = models.BigIntegerField(primary_key=True)
    tenant_id = models.BigIntegerField(null=True)
    seq = models.BigIntegerField()
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(
                    chain=Coalesce(
                        "tenant_id", INSTALLATION, output_field=models.BigIntegerField()
                    )
                ),
                name="audit_head_of_its_chain",
            ),
        )

    def __str__(self) -> str:
        return f"chain {self.chain} to {self.seq}"


class AuditEntry(models.Model):
    """One change. Append-only; in the database (chain, seq) is the primary key."""

    id = models.BigAutoField(primary_key=True)
    chain = models.BigIntegerField()
    seq = models.BigIntegerField()
    tenant_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True)
    member_id = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=36, blank=True)
    action = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    # Of the detail's salt and personal fields; empty where there are none.
    detail_digest = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit entries"
        constraints = (
            models.UniqueConstraint(
                fields=("chain", "seq"), name="audit_entry_in_order"
            ),
        )
        # What is asked: about which object, by whom, in which request, of which tenant.
        indexes = (
            models.Index(
                fields=("object_kind", "object_id", "id"), name="audit_entry_about"
            ),
            models.Index(
                fields=("actor_kind", "actor_id", "id"), name="audit_entry_by_actor"
            ),
            models.Index(
                fields=("request_id",),
                condition=~models.Q(request_id=""),
                name="audit_entry_of_request",
            ),
            models.Index(fields=("chain", "id"), name="audit_entry_of_chain"),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.object_kind} {self.object_id}"


class AuditDetail(models.Model):
    """The personal fields of an entry, until they are forgotten."""

    entry_id = models.BigIntegerField(primary_key=True)
    tenant_id = models.BigIntegerField(null=True)
    salt = models.BinaryField()
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"detail of {self.entry_id}"


class AuditAnchor(models.Model):
    """How far a chain had come on a date, under our signature. Append-only.

    The same goes to the log, and so out of reach of whoever can write here: a chain
    that was cut or written anew does not lead to its anchors.
    """

    chain = models.BigIntegerField()
    date = models.DateField()
    seq = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    signature = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("chain", "seq")
        constraints = (
            models.UniqueConstraint(
                fields=("chain", "date"), name="audit_anchor_once_a_day"
            ),
        )
        indexes = (models.Index(fields=("chain", "seq"), name="audit_anchor_in_order"),)

    def __str__(self) -> str:
        return f"chain {self.chain} to {self.seq} on {self.date}"
