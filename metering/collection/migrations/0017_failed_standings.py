"""Attempts to collect that failed are found without reading every invoice's standing."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index while the provider goes on to be followed."""

    atomic = False

    dependencies = [
        ("collection", "0016_meter_currencies"),
    ]

    operations = [
        AddIndexRepeatably(
            model_name="standing",
            index=models.Index(
                condition=models.Q(("failure", ""), _negated=True),
                fields=["-read_at"],
                name="standing_failed",
            ),
        ),
    ]
