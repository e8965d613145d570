"""Attempts at being paid for a top-up before its credit is granted."""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("tenants", "0017_suspended_for"),
        ("topups", "0003_paid_first"),
    ]

    operations = [
        migrations.CreateModel(
            name="Purchase",
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
                ("public_id", models.UUIDField(editable=False, unique=True)),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("checkout", "on the provider's page"),
                            ("method", "by the default payment method"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("quoted", "Quoted"),
                            ("open", "Open"),
                            ("paid", "Paid"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="asked",
                        max_length=12,
                    ),
                ),
                (
                    "account",
                    models.CharField(
                        help_text="The provider's account that takes the money.",
                        max_length=40,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("subtotal_minor", models.BigIntegerField(default=0)),
                ("tax_minor", models.BigIntegerField(default=0)),
                ("total_minor", models.BigIntegerField(default=0)),
                ("basis", models.JSONField(blank=True, default=dict)),
                (
                    "lines_sha256",
                    models.CharField(blank=True, default="", max_length=64),
                ),
                (
                    "customer",
                    models.CharField(
                        blank=True,
                        default="",
                        editable=False,
                        help_text="Who pays, at the provider.",
                        max_length=255,
                    ),
                ),
                (
                    "session",
                    models.CharField(
                        blank=True,
                        default="",
                        editable=False,
                        help_text="The page on which it is paid, at the provider.",
                        max_length=255,
                    ),
                ),
                (
                    "intent",
                    models.CharField(
                        blank=True,
                        default="",
                        editable=False,
                        help_text="Its payment, at the provider.",
                        max_length=255,
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Where a person pays it.",
                        max_length=2000,
                    ),
                ),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="What became of it, or what a person must look at.",
                        max_length=300,
                    ),
                ),
                ("asked_at", models.DateTimeField()),
                ("quoted_at", models.DateTimeField(blank=True, null=True)),
                ("cancel_asked_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "look_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the provider is asked again.",
                        null=True,
                    ),
                ),
                (
                    "created_at",
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
                    "top_up",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="purchases",
                        to="topups.topup",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("asked", "quoted", "open"))),
                        fields=["look_at"],
                        name="purchase_to_look_at",
                    ),
                    models.Index(
                        condition=models.Q(("session", ""), _negated=True),
                        fields=["session"],
                        name="purchase_session",
                    ),
                    models.Index(
                        condition=models.Q(("intent", ""), _negated=True),
                        fields=["intent"],
                        name="purchase_intent",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("asked", "quoted", "open"))),
                        fields=("top_up",),
                        name="purchase_one_under_way",
                        violation_error_message="A payment of this top-up is under way.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total_minor",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("subtotal_minor"),
                                    "+",
                                    models.F("tax_minor"),
                                ),
                            )
                        ),
                        name="purchase_adds_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("state__in", ("asked", "failed", "cancelled")),
                            models.Q(
                                ("quoted_at__isnull", False), ("total_minor__gt", 0)
                            ),
                            _connector="OR",
                        ),
                        name="purchase_is_quoted",
                    ),
                ],
            },
        ),
    ]
