"""What was decided here and is told to the provider."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_said"),
        ("collection", "0009_portal_links_rules"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.CreateModel(
            name="Outgoing",
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
                            ("refund", "Refund"),
                            ("credit_note", "credit note"),
                            ("write_off", "write-off"),
                            ("paid_elsewhere", "paid elsewhere"),
                        ],
                        max_length=16,
                    ),
                ),
                ("fact_id", models.BigIntegerField()),
                ("account", models.CharField(max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("told", "Told"),
                            ("skipped", "not to be told any more"),
                        ],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("reference", models.CharField(blank=True, default="", max_length=100)),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Why it waits, or was not told.",
                        max_length=300,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("try_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.invoice",
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
            ],
            options={
                "verbose_name_plural": "outgoing",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "waiting")),
                        fields=["try_at"],
                        name="outgoing_to_tell",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "fact_id"), name="outgoing_once"
                    )
                ],
            },
        ),
    ]
