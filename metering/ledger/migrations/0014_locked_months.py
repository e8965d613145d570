"""Months that are locked, and use of such months that came late."""

import django.core.validators
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """Create the table of locked months, and say when a late posting was booked."""

    dependencies = [("ledger", "0013_months_follow")]
    operations = [
        migrations.CreateModel(
            name="LockedMonth",
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
                ("prepared_by_id", models.BigIntegerField()),
                ("approved_by_id", models.BigIntegerField()),
                ("locked_at", models.DateTimeField()),
                ("reopened_by_id", models.BigIntegerField(blank=True, null=True)),
                ("reopened_at", models.DateTimeField(blank=True, null=True)),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        help_text="Why it was reopened.",
                        max_length=500,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(("reopened_at", None)),
                        fields=("month",),
                        name="locked_month_once",
                    ),
                    models.CheckConstraint(
                        condition=~Q(prepared_by_id=F("approved_by_id")),
                        name="locked_month_by_two",
                    ),
                    models.CheckConstraint(
                        condition=Q(("month__day", 1)),
                        name="locked_month_is_its_first_day",
                    ),
                    models.CheckConstraint(
                        condition=Q(reopened_at=None, reopened_by_id=None, reason="")
                        | (
                            Q(reopened_at__isnull=False, reopened_by_id__isnull=False)
                            & ~Q(reason="")
                        ),
                        name="locked_month_reopened_for_a_reason",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="dayposting",
            name="booked_on",
            field=models.DateField(
                help_text="Where its own month was locked: when it was booked.",
                null=True,
            ),
        ),
    ]
