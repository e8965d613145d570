"""Deliveries can be sent again, once each time; a log of an endpoint is indexed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("alerts", "0003_top_ups"),
        ("tenants", "0018_notes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="delivery",
            name="alert_delivery_once",
        ),
        migrations.AddField(
            model_name="delivery",
            name="is_replay",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="delivery",
            name="last_ms",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["endpoint", "-id"], name="alert_delivery_of_endpoint"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_replay", False)),
                fields=("event", "channel", "endpoint", "member"),
                name="alert_delivery_once",
                nulls_distinct=False,
            ),
        ),
    ]
