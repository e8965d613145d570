"""Who waits for whom: what plans give their tenants, and keys their requests."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns; what they hold by default changes nothing."""

    dependencies = [
        ("tenants", "0014_payment_mode"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="priority",
            field=models.CharField(
                choices=[
                    ("flex", "Flex"),
                    ("default", "Default"),
                    ("priority", "Priority"),
                ],
                db_default="default",
                default="default",
                help_text="The best class that its requests may ask for; never more than the plan allows.",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="priority_max",
            field=models.CharField(
                choices=[
                    ("flex", "Flex"),
                    ("default", "Default"),
                    ("priority", "Priority"),
                ],
                db_default="default",
                default="default",
                help_text="The best class that requests of its tenants' keys may ask for.",
                max_length=8,
                verbose_name="best priority",
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="weight",
            field=models.PositiveSmallIntegerField(
                db_default=100,
                default=100,
                help_text="What each of its tenants gets of a busy model, beside other tenants.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000),
                ],
            ),
        ),
    ]
