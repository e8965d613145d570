"""Signatures of those who close a month."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("economics", "0002_costs_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="CloseSignature",
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
                ("month", models.DateField(help_text="Its first day.")),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("exceptions", "invoices' exceptions reviewed"),
                            ("payments", "payments and payouts matched"),
                            ("report", "report prepared"),
                        ],
                        max_length=12,
                    ),
                ),
                ("signed_by_id", models.BigIntegerField()),
                ("signed_at", models.DateTimeField()),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        max_length=500,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                ("figures_sha256", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (("approve_close", "Can approve and reopen months"),),
                "indexes": [
                    models.Index(fields=["month"], name="close_signature_of_month")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("month__day", 1)),
                        name="close_signature_of_a_month",
                    )
                ],
            },
        ),
    ]
