"""Let a limit that holds until a date stand before the one that holds for good.

Hard and soft ones stand side by side, so what is unique says which it is.
"""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Tell limits apart by how long they hold and by what they do."""

    dependencies = [
        ("tenants", "0005_invitation_mail"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="budget",
            name="budget_once",
        ),
        migrations.RemoveConstraint(
            model_name="quota",
            name="quota_once",
        ),
        migrations.RemoveConstraint(
            model_name="ratelimit",
            name="rate_limit_once",
        ),
        migrations.AlterField(
            model_name="budget",
            name="level",
            field=models.CharField(
                choices=[
                    ("tenant", "Tenant"),
                    ("project", "Project"),
                    ("api_key", "Api Key"),
                ],
                default="tenant",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="budget",
            name="model",
            field=models.CharField(
                blank=True,
                help_text="Of one served model; empty for all.",
                max_length=200,
                validators=[django.core.validators.ProhibitNullCharactersValidator()],
            ),
        ),
        migrations.AlterField(
            model_name="quota",
            name="level",
            field=models.CharField(
                choices=[
                    ("tenant", "Tenant"),
                    ("project", "Project"),
                    ("api_key", "Api Key"),
                ],
                default="tenant",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="quota",
            name="model",
            field=models.CharField(
                blank=True,
                help_text="Of one served model; empty for all.",
                max_length=200,
                validators=[django.core.validators.ProhibitNullCharactersValidator()],
            ),
        ),
        migrations.AlterField(
            model_name="quota",
            name="value",
            field=models.BigIntegerField(
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(9007199254740991),
                ]
            ),
        ),
        migrations.AlterField(
            model_name="ratelimit",
            name="level",
            field=models.CharField(
                choices=[
                    ("tenant", "Tenant"),
                    ("project", "Project"),
                    ("api_key", "Api Key"),
                ],
                default="tenant",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="ratelimit",
            name="model",
            field=models.CharField(
                blank=True,
                help_text="Of one served model; empty for all.",
                max_length=200,
                validators=[django.core.validators.ProhibitNullCharactersValidator()],
            ),
        ),
        migrations.AlterField(
            model_name="ratelimit",
            name="value",
            field=models.BigIntegerField(
                validators=[
                    django.core.validators.MinValueValidator(0),
                    django.core.validators.MaxValueValidator(9007199254740991),
                ]
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_picos__gte", 0)), name="budget_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at", None)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "window",
                    "currency",
                    "is_hard",
                ),
                name="budget_once",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at__isnull", False)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "window",
                    "currency",
                    "is_hard",
                ),
                name="budget_once_until",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.CheckConstraint(
                condition=models.Q(("value__gte", 0)), name="quota_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at", None)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "unit",
                    "window",
                    "is_hard",
                ),
                name="quota_once",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="quota",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at__isnull", False)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "unit",
                    "window",
                    "is_hard",
                ),
                name="quota_once_until",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="ratelimit",
            constraint=models.CheckConstraint(
                condition=models.Q(("value__gte", 0)), name="rate_limit_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="ratelimit",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at", None)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "unit",
                    "window",
                    "is_hard",
                ),
                name="rate_limit_once",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="ratelimit",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None), ("ends_at__isnull", False)),
                fields=(
                    "plan",
                    "tenant",
                    "project",
                    "api_key",
                    "level",
                    "set_by",
                    "model",
                    "unit",
                    "window",
                    "is_hard",
                ),
                name="rate_limit_once_until",
                nulls_distinct=False,
                violation_error_code="unique",
            ),
        ),
    ]
