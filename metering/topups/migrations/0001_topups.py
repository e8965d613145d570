"""Top-ups, and the rules that ask for them."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.orm.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("billing", "0007_to_close"),
        ("ledger", "0011_burns_to_book"),
        ("tenants", "0016_period_day"),
    ]

    operations = [
        migrations.CreateModel(
            name="TopUp",
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
                    "amount_minor",
                    models.BigIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("by_rule", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("invoiced", "Invoiced"),
                            ("paid", "Paid"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="due",
                        max_length=12,
                    ),
                ),
                ("asked_at", models.DateTimeField(editable=False)),
                ("ended_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                (
                    "grant",
                    models.OneToOneField(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.creditgrant",
                    ),
                ),
                (
                    "invoice",
                    models.OneToOneField(
                        blank=True,
                        editable=False,
                        null=True,
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
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["tenant", "asked_at"], name="top_up_asked")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("due", "invoiced"))),
                        fields=("tenant",),
                        name="top_up_one_open",
                        violation_error_message="A top-up of this tenant is open already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)),
                        name="top_up_of_something",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "paid"), _negated=True),
                            ("grant__isnull", False),
                            _connector="OR",
                        ),
                        name="top_up_paid_is_granted",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="TopUpRule",
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
                    "threshold_picos",
                    kit.orm.fields.PicosField(
                        help_text="Once less than this is left, credit is topped up.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "amount_minor",
                    models.BigIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                (
                    "period_max_minor",
                    models.BigIntegerField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                (
                    "cool_off_s",
                    models.PositiveIntegerField(
                        default=3600,
                        help_text="Seconds from one attempt to the next.",
                        validators=[django.core.validators.MaxValueValidator(2592000)],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "tenant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("threshold_picos__gt", 0),
                            ("amount_minor__gt", 0),
                            ("period_max_minor__gte", models.F("amount_minor")),
                        ),
                        name="top_up_rule_makes_sense",
                        violation_error_message="Let the period's maximum be at least the amount.",
                    )
                ],
            },
        ),
    ]
