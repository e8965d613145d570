"""A version may fill in prices that are not quoted by discounts."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the discounts, and say which prices follow from them."""

    dependencies = [("pricing", "0005_dated_assignments")]
    operations = [
        migrations.AddField(
            model_name="price",
            name="cached_follows",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="price",
            name="follows",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="pricebookversion",
            name="answer_cache_discount_percent",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="Makes the prices of <model>@cache.",
                max_digits=7,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("100")),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pricebookversion",
            name="batch_discount_percent",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="Makes the prices of <model>@batch.",
                max_digits=7,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("100")),
                ],
            ),
        ),
        migrations.AddField(
            model_name="pricebookversion",
            name="cached_input_discount_percent",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="Off the input price, where no cached one is quoted.",
                max_digits=7,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0")),
                    django.core.validators.MaxValueValidator(Decimal("100")),
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebookversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cached_input_discount_percent__isnull", True),
                    ("cached_input_discount_percent__range", (0, 100)),
                    _connector="OR",
                ),
                name="version_cached_input_discount_percent_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebookversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("batch_discount_percent__isnull", True),
                    ("batch_discount_percent__range", (0, 100)),
                    _connector="OR",
                ),
                name="version_batch_discount_percent_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebookversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("answer_cache_discount_percent__isnull", True),
                    ("answer_cache_discount_percent__range", (0, 100)),
                    _connector="OR",
                ),
                name="version_answer_cache_discount_percent_is_a_share",
            ),
        ),
    ]
