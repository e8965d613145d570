"""How long prompts can be, as a model's engines counted them: a row for each model."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table; operators and the worker alone read it."""

    dependencies = [("control", "0006_limits_published")]
    operations = [
        migrations.CreateModel(
            name="Calibration",
            fields=[
                (
                    "model",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="calibration",
                        serialize=False,
                        to="control.servedmodel",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("calibrated", "Calibrated"),
                            ("unable", "Unable"),
                            ("failed", "Failed"),
                            ("stale", "Stale"),
                        ],
                        max_length=16,
                    ),
                ),
                ("factors", models.JSONField(blank=True, null=True)),
                ("replicas", models.JSONField(blank=True, default=list)),
                ("calibrated_at", models.DateTimeField(blank=True, null=True)),
                ("tried_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "calibrated"), _negated=True),
                            models.Q(
                                ("calibrated_at__isnull", False),
                                ("factors__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="calibration_calibrated_has_factors",
                    )
                ],
            },
        ),
    ]
