"""Tables of what was set right: adjustments, re-ratings and what they came to."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.orm.fields


class Migration(migrations.Migration):
    """Make the tables."""

    initial = True

    dependencies = [
        ("pricing", "0004_corrective"),
        ("tenants", "0014_payment_mode"),
    ]

    operations = [
        migrations.CreateModel(
            name="Rerating",
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
                ("model", models.CharField(max_length=128)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("reason", models.CharField(max_length=500)),
                ("reference", models.CharField(max_length=100, unique=True)),
                ("actor_kind", models.CharField(max_length=20)),
                ("actor_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "Running"), ("done", "Done")],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("after_tenant_id", models.BigIntegerField(default=0)),
                ("after_request_id", models.UUIDField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "book",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="pricing.pricebook",
                    ),
                ),
                (
                    "price",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="pricing.price",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "verbose_name": "re-rating",
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="ReratedTenant",
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
                ("requests", models.BigIntegerField()),
                ("charge_before_picos", kit.orm.fields.PicosField()),
                ("charge_after_picos", kit.orm.fields.PicosField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "rerating",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tenants",
                        to="adjustments.rerating",
                    ),
                ),
            ],
            options={
                "ordering": ("tenant_id",),
            },
        ),
        migrations.CreateModel(
            name="Adjustment",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("void", "Void"),
                            ("correct", "Correct"),
                            ("rerate", "Rerate"),
                        ],
                        max_length=8,
                    ),
                ),
                ("request_id", models.UUIDField(blank=True, null=True)),
                ("project_id", models.BigIntegerField(blank=True, null=True)),
                ("reason", models.CharField(max_length=500)),
                ("reference", models.CharField(max_length=100)),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("charge_before_picos", kit.orm.fields.PicosField()),
                ("charge_after_picos", kit.orm.fields.PicosField()),
                ("currency", models.CharField(max_length=3)),
                ("actor_kind", models.CharField(max_length=20)),
                ("actor_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "made_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
                (
                    "rerating",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to="adjustments.rerating",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.AddConstraint(
            model_name="rerating",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")),
                fields=("book", "model"),
                name="rerating_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="reratedtenant",
            constraint=models.UniqueConstraint(
                fields=("rerating", "tenant"), name="rerated_tenant_once"
            ),
        ),
        migrations.AddIndex(
            model_name="adjustment",
            index=models.Index(
                fields=["tenant", "request_id"], name="adjustment_of_a_request"
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.UniqueConstraint(
                fields=("tenant", "reference"), name="adjustment_once_per_reference"
            ),
        ),
        migrations.AddConstraint(
            model_name="adjustment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "rerate"), ("request_id__isnull", True)),
                    models.Q(
                        models.Q(("kind", "rerate"), _negated=True),
                        ("request_id__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="adjustment_names_its_request",
            ),
        ),
    ]
