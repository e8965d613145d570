"""What replicas cost, when they were there, and what each day came to."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.orm.fields


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="WorkedDay",
            fields=[
                ("date", models.DateField(primary_key=True, serialize=False)),
                ("worked_at", models.DateTimeField()),
                ("complete_to", models.DateTimeField()),
                ("unpriced_us", models.BigIntegerField(default=0)),
                ("unmeasured_us", models.BigIntegerField(default=0)),
                ("replica_us", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="CostRate",
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
                    "level",
                    models.CharField(
                        choices=[
                            ("all", "all replicas"),
                            ("engine", "replicas of an engine"),
                            ("model", "replicas of a served model"),
                            ("replica", "one replica"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True,
                        help_text="The name of the engine, served model or replica; empty for all.",
                        max_length=200,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                (
                    "starts_on",
                    models.DateField(help_text="The first day, of UTC, that it holds."),
                ),
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}\\Z", "Use an ISO 4217 code such as USD."
                            )
                        ],
                    ),
                ),
                (
                    "picos_per_hour",
                    kit.orm.fields.PicosField(
                        blank=True,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "tokens_per_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="What one replica writes per second at full load. Without it no hour is part idle: all of its cost falls on whoever used it.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(1000000),
                        ],
                        verbose_name="tokens per second",
                    ),
                ),
                (
                    "input_permille",
                    models.PositiveSmallIntegerField(
                        default=200,
                        help_text="Thousandths of the work of an output token that reading one takes.",
                        validators=[django.core.validators.MaxValueValidator(1000)],
                        verbose_name="weight of input",
                    ),
                ),
                (
                    "cached_permille",
                    models.PositiveSmallIntegerField(
                        default=20,
                        help_text="The same of an input token that the engine's cache held.",
                        validators=[django.core.validators.MaxValueValidator(1000)],
                        verbose_name="weight of cached input",
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        blank=True,
                        help_text="Where it comes from, such as a contract or a depreciation table.",
                        max_length=300,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("level", "all"), ("subject", "")),
                            models.Q(
                                models.Q(("level", "all"), _negated=True),
                                models.Q(("subject", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="cost_rate_has_subject",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("picos_per_hour", None),
                            ("picos_per_hour__gte", 0),
                            _connector="OR",
                        ),
                        name="cost_rate_is_no_gain",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DayMargin",
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
                ("date", models.DateField()),
                ("tenant_id", models.BigIntegerField(null=True)),
                ("model", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=3)),
                ("requests", models.BigIntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("cached_input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("revenue_picos", kit.orm.fields.PicosField(default=0)),
                ("cost_picos", kit.orm.fields.PicosField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("date", "currency", "model", "tenant_id"),
                        name="day_margin_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReplicaSpan",
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
                ("replica_id", models.BigIntegerField()),
                ("name", models.CharField(max_length=63)),
                ("model", models.CharField(max_length=128)),
                (
                    "answers_to",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128), size=None
                    ),
                ),
                ("engine", models.CharField(max_length=16)),
                ("starts_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("is_open", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [models.Index(fields=["until"], name="replica_span_by_end")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_open", True)),
                        fields=("replica_id",),
                        name="replica_span_open_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gte", models.F("starts_at"))),
                        name="replica_span_in_order",
                    ),
                ],
            },
        ),
    ]
