"""Which served models answer in another one's place, in which order."""

from django.db import models

from inference.control.models.served import ServedModel

FALLBACKS_MAX = 8


class ModelFallback(models.Model):
    """One model that stands in for another where no engine of that one answers.

    A chain is one step: the fallbacks of a fallback are not followed. Audited as a part
    of the model that it stands in for.
    """

    model = models.ForeignKey(
        ServedModel, models.PROTECT, related_name="fallback_rows", db_index=False
    )
    position = models.PositiveSmallIntegerField()
    fallback = models.ForeignKey(
        ServedModel, models.PROTECT, related_name="stands_in_rows"
    )

    class Meta:
        ordering = ("model_id", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("model", "position"), name="model_fallback_in_order"
            ),
            models.UniqueConstraint(
                fields=("model", "fallback"), name="model_fallback_once"
            ),
            models.CheckConstraint(
                condition=~models.Q(model=models.F("fallback")),
                name="model_fallback_is_another",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model_id}, {self.position}: {self.fallback_id}"
