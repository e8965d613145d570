"""Tenants are told once of each model that retires."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0004_replays"),
        ("tenants", "0021_uncollected"),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="once",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=250
            ),
        ),
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
                        ("model.retiring", "model retires"),
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
                    ("model.retiring", "model retires"),
                    ("webhook_endpoint.paused", "webhook endpoint paused"),
                    ("webhook_endpoint.test", "test"),
                ],
                max_length=40,
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("once", ""), _negated=True),
                fields=("once", "tenant"),
                name="alerts_event_once",
            ),
        ),
    ]
