"""Credit that could not be bought is told of."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0002_rights"),
    ]

    operations = [
        migrations.AlterField(
            model_name="endpoint",
            name="events",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("budget.threshold_reached", "share reached"),
                        ("budget.spent", "spent"),
                        ("budget.resumed", "resumed"),
                        ("top_up.waiting", "top-up waits"),
                        ("top_up.failed", "top-up failed"),
                        ("webhook_endpoint.paused", "webhook endpoint paused"),
                        ("webhook_endpoint.test", "test"),
                    ],
                    max_length=40,
                ),
                blank=True,
                default=list,
                help_text="Empty for all.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="type",
            field=models.CharField(
                choices=[
                    ("budget.threshold_reached", "share reached"),
                    ("budget.spent", "spent"),
                    ("budget.resumed", "resumed"),
                    ("top_up.waiting", "top-up waits"),
                    ("top_up.failed", "top-up failed"),
                    ("webhook_endpoint.paused", "webhook endpoint paused"),
                    ("webhook_endpoint.test", "test"),
                ],
                max_length=40,
            ),
        ),
    ]
