"""Tables of what plans cost, and of who subscribes to which version."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the tables."""

    initial = True

    dependencies = [
        ("tenants", "0015_priorities"),
    ]

    operations = [
        migrations.CreateModel(
            name="PlanVersion",
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
                ("number", models.PositiveIntegerField()),
                (
                    "name",
                    models.CharField(
                        help_text="What invoices call it.", max_length=100
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$", "Use an ISO 4217 code such as USD."
                            )
                        ],
                    ),
                ),
                (
                    "fee_minor",
                    models.BigIntegerField(
                        default=0,
                        help_text="Of each whole period.",
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "fee_in_advance",
                    models.BooleanField(
                        default=False,
                        help_text="The fee is due at the close of the period before the one it pays.",
                    ),
                ),
                (
                    "minimum_commitment_minor",
                    models.BigIntegerField(
                        default=0,
                        help_text="What a whole period comes to at least, before tax and credit.",
                        validators=[django.core.validators.MinValueValidator(0)],
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
                    "published_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="versions",
                        to="tenants.plan",
                    ),
                ),
            ],
            options={
                "ordering": ("plan_id", "-number"),
            },
        ),
        migrations.CreateModel(
            name="PlanDiscount",
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
                ("name", models.CharField(max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("usage", "what use costs"),
                            ("fees", "the plan's fee"),
                            ("all", "both"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "served_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128),
                        blank=True,
                        default=list,
                        help_text="Served models by name; none means all.",
                        size=None,
                    ),
                ),
                (
                    "percent",
                    models.DecimalField(
                        blank=True,
                        decimal_places=4,
                        max_digits=7,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0),
                            django.core.validators.MaxValueValidator(100),
                        ],
                    ),
                ),
                (
                    "amount_minor",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Of each whole period, in minor units.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="discounts",
                        to="subscriptions.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("version_id", "position"),
            },
        ),
        migrations.CreateModel(
            name="PlanComponent",
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
                ("name", models.CharField(max_length=100)),
                (
                    "meter",
                    models.CharField(
                        choices=[
                            ("tokens", "tokens, in place of their linear price"),
                            ("requests", "requests"),
                            ("charge", "what linear prices charge"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "served_models",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=128),
                        blank=True,
                        default=list,
                        help_text="Served models by name; none means all.",
                        size=None,
                    ),
                ),
                (
                    "token_classes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.SmallIntegerField(
                            choices=[(1, "input"), (2, "cached_input"), (3, "output")]
                        ),
                        blank=True,
                        default=list,
                        help_text="Of a meter of tokens.",
                        size=None,
                    ),
                ),
                (
                    "document",
                    models.JSONField(
                        help_text="The component, as `metering.pricing.components` reads it."
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="components",
                        to="subscriptions.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("version_id", "position"),
            },
        ),
        migrations.CreateModel(
            name="Subscription",
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
                ("starts_on", models.DateField(help_text="The first billing day.")),
                (
                    "ends_on",
                    models.DateField(
                        blank=True,
                        help_text="The first billing day without it.",
                        null=True,
                    ),
                ),
                ("agreed_at", models.DateTimeField(editable=False)),
                (
                    "end_agreed_at",
                    models.DateTimeField(blank=True, editable=False, null=True),
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
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="subscriptions.planversion",
                    ),
                ),
            ],
            options={
                "ordering": ("-starts_on", "-id"),
            },
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.UniqueConstraint(
                fields=("plan", "number"), name="plan_version_number_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="planversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_minor__gte", 0), ("minimum_commitment_minor__gte", 0)
                ),
                name="plan_version_amounts_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="plandiscount",
            constraint=models.UniqueConstraint(
                fields=("version", "position"), name="plan_discount_position_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="plandiscount",
            constraint=models.UniqueConstraint(
                fields=("version", "name"), name="plan_discount_name_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="plandiscount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("amount_minor__isnull", True),
                        ("percent__gt", 0),
                        ("percent__lte", 100),
                    ),
                    models.Q(("amount_minor__gt", 0), ("percent__isnull", True)),
                    _connector="OR",
                ),
                name="plan_discount_is_percent_or_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="plandiscount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("scope", "usage"), ("served_models__len", 0), _connector="OR"
                ),
                name="plan_discount_models_of_usage",
            ),
        ),
        migrations.AddConstraint(
            model_name="plancomponent",
            constraint=models.UniqueConstraint(
                fields=("version", "position"), name="plan_component_position_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="plancomponent",
            constraint=models.UniqueConstraint(
                fields=("version", "name"), name="plan_component_name_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="plancomponent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("meter", "tokens"), ("token_classes__len__gt", 0)),
                    models.Q(
                        models.Q(("meter", "tokens"), _negated=True),
                        ("token_classes__len", 0),
                    ),
                    _connector="OR",
                ),
                name="plan_component_of_tokens_has_classes",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("end_agreed_at__isnull", True), ("ends_on__isnull", True)
                    ),
                    models.Q(
                        ("end_agreed_at__isnull", False),
                        ("ends_on__gte", models.F("starts_on")),
                    ),
                    _connector="OR",
                ),
                name="subscription_ends_after_it_starts",
            ),
        ),
    ]
