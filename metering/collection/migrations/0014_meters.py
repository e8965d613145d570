"""What meters are told of use."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collection", "0013_overpaid"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.CreateModel(
            name="MeterProgress",
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
                ("account", models.CharField(max_length=40, unique=True)),
                ("told_from", models.DateTimeField()),
                ("noted_to", models.DateTimeField(blank=True, null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "verbose_name_plural": "meter progress",
            },
        ),
        migrations.CreateModel(
            name="MeterDifference",
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
                ("account", models.CharField(max_length=40)),
                (
                    "counted",
                    models.CharField(
                        choices=[
                            ("requests", "Requests"),
                            ("input_tokens", "input tokens"),
                            ("cached_input_tokens", "cached input tokens"),
                            ("output_tokens", "output tokens"),
                            ("reasoning_tokens", "reasoning tokens"),
                        ],
                        max_length=20,
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("told", models.BigIntegerField()),
                ("used", models.BigIntegerField()),
                ("since", models.DateTimeField()),
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
                "ordering": ("-hour", "id"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "tenant", "hour", "counted"),
                        name="meter_difference_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="MeterEvent",
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
                ("account", models.CharField(max_length=40)),
                (
                    "counted",
                    models.CharField(
                        choices=[
                            ("requests", "Requests"),
                            ("input_tokens", "input tokens"),
                            ("cached_input_tokens", "cached input tokens"),
                            ("output_tokens", "output tokens"),
                            ("reasoning_tokens", "reasoning tokens"),
                        ],
                        max_length=20,
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("seq", models.PositiveIntegerField(verbose_name="number")),
                ("quantity", models.BigIntegerField()),
                ("identifier", models.CharField(max_length=100)),
                ("event_name", models.CharField(max_length=100)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("told", "Told"),
                            ("cancelling", "being taken back"),
                            ("cancelled", "taken back"),
                            ("parked", "parked: somebody must look"),
                            ("dropped", "not told: the next one says it"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Why it waits, or was not told.",
                        max_length=500,
                    ),
                ),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("refusals", models.PositiveSmallIntegerField(default=0)),
                ("noted_at", models.DateTimeField()),
                ("try_at", models.DateTimeField()),
                ("told_at", models.DateTimeField(blank=True, null=True)),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["hour"], name="meter_event_by_hour"),
                    models.Index(
                        condition=models.Q(("state__in", ("waiting", "cancelling"))),
                        fields=["account", "try_at"],
                        name="meter_event_to_tell",
                    ),
                    models.Index(
                        condition=models.Q(("state", "parked")),
                        fields=["id"],
                        name="meter_event_parked",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "tenant", "hour", "counted", "seq"),
                        name="meter_event_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity__gt", 0)),
                        name="meter_event_is_positive",
                    ),
                ],
            },
        ),
    ]
