"""Which models answer in another one's place; tenants read it, as they do the models."""

import django.db.models.deletion
from django.db import migrations, models

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Make the table."""

    dependencies = [("control", "0015_routing")]
    operations = [
        migrations.CreateModel(
            name="ModelFallback",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "fallback",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stands_in_rows",
                        to="control.servedmodel",
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="fallback_rows",
                        to="control.servedmodel",
                    ),
                ),
            ],
            options={
                "ordering": ("model_id", "position"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("model", "position"), name="model_fallback_in_order"
                    ),
                    models.UniqueConstraint(
                        fields=("model", "fallback"), name="model_fallback_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("model", models.F("fallback")), _negated=True
                        ),
                        name="model_fallback_is_another",
                    ),
                ],
            },
        ),
        grant("control_modelfallback", to="tollgate_app", privileges="SELECT"),
    ]
