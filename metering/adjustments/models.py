"""What was set right, by whom and why: kept for good, beside the events that do it.

An adjustment changes nothing that was metered: compensating events do, which it is the
source of. A re-rating is the work of many such events; what came of it for a tenant is
an adjustment of that tenant.
"""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from kit.orm.audited import Audited
from kit.orm.fields import PicosField
from metering.pricing.models import Price, PriceBook
from tenants.models import Tenant


class Rerating(models.Model):
    """Use of one model under one price book, rated anew by a corrected price.

    Requests are taken in the order of tenant and id; `after_*` name the last one taken.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        DONE = "done"

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="+"
    )
    book = models.ForeignKey(PriceBook, models.PROTECT, related_name="+")
    model = models.CharField(max_length=128)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    price = models.ForeignKey(Price, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    reference = models.CharField(max_length=100, unique=True)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    after_tenant_id = models.BigIntegerField(default=0)
    after_request_id = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("rerating", tenant=None)

    class Meta:
        ordering = ("-id",)
        verbose_name = "re-rating"
        constraints = (
            models.UniqueConstraint(
                fields=("book", "model"),
                condition=models.Q(state="running"),
                name="rerating_one_at_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"re-rating {self.pk}"


class ReratedTenant(models.Model):
    """What a re-rating has come to for one tenant so far: its progress."""

    rerating = models.ForeignKey(Rerating, models.PROTECT, related_name="tenants")
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    requests = models.BigIntegerField()
    charge_before_picos = PicosField()
    charge_after_picos = PicosField()

    class Meta:
        ordering = ("tenant_id",)
        constraints = (
            models.UniqueConstraint(
                fields=("rerating", "tenant"), name="rerated_tenant_once"
            ),
        )

    def __str__(self) -> str:
        return f"tenant {self.tenant_id} in {self.rerating}"


class Adjustment(models.Model):
    """One thing that was set right for a tenant: a request, or a rating of many.

    `before` and `after` hold the tokens that stood, by class; of a re-rating, which
    changes none, the number of requests.
    """

    class Kind(models.TextChoices):
        VOID = "void"
        CORRECT = "correct"
        RERATE = "rerate"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    request_id = models.UUIDField(null=True, blank=True)
    project_id = models.BigIntegerField(null=True, blank=True)
    rerating = models.ForeignKey(
        Rerating, models.PROTECT, null=True, blank=True, related_name="adjustments"
    )
    reason = models.CharField(max_length=500)
    reference = models.CharField(max_length=100)
    before = models.JSONField()
    after = models.JSONField()
    charge_before_picos = PicosField()
    charge_after_picos = PicosField()
    currency = models.CharField(max_length=3)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.BigIntegerField(null=True, blank=True)
    made_at = models.DateTimeField(db_default=Now(), editable=False)

    audited: ClassVar = Audited("adjustment")

    class Meta:
        ordering = ("-id",)
        constraints = (
            # What people made: those of re-ratings have a name of ours, and must never
            # be kept out by one of theirs.
            models.UniqueConstraint(
                fields=("tenant", "reference"),
                condition=~models.Q(kind="rerate"),
                name="adjustment_once_per_reference",
            ),
            models.UniqueConstraint(
                fields=("tenant", "rerating"), name="adjustment_once_per_rerating"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="rerate", request_id__isnull=True)
                | (~models.Q(kind="rerate") & models.Q(request_id__isnull=False)),
                name="adjustment_names_its_request",
            ),
        )
        indexes = (
            models.Index(
                fields=("tenant", "request_id"), name="adjustment_of_a_request"
            ),
        )

    def __str__(self) -> str:
        return f"adjustment {self.pk}"

    @property
    def difference_picos(self) -> int:
        """Return what is charged more than before; less where negative."""
        difference: int = self.charge_after_picos - self.charge_before_picos
        return difference
