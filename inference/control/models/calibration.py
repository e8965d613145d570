"""What is known of how many tokens a served model's engines make of prompts."""

from typing import ClassVar

from django.db import models

from inference.control.models.served import ServedModel
from kit.orm.audited import Audited


class Calibration(models.Model):
    """What a served model's engines make of prompts: its factors for `PromptBound`.

    Without factors, or without a row, the safe default holds. A row of its own, since
    the product writes it while people edit the model. `replicas` holds what came of
    asking each: its name, the mark of how it was reached, the outcome in a few words.
    """

    class State(models.TextChoices):
        CALIBRATED = "calibrated"
        UNABLE = "unable"
        FAILED = "failed"
        STALE = "stale"

    model = models.OneToOneField(
        ServedModel, models.PROTECT, related_name="calibration", primary_key=True
    )
    state = models.CharField(max_length=16, choices=State)
    factors = models.JSONField(null=True, blank=True)
    replicas = models.JSONField(default=list, blank=True)
    calibrated_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)

    audited: ClassVar = Audited("calibration", tenant=None, by_people=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=~models.Q(state="calibrated")
                | models.Q(factors__isnull=False, calibrated_at__isnull=False),
                name="calibration_calibrated_has_factors",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model}: {self.state}"
