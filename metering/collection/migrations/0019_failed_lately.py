"""Attempts that failed lately are found by when that was seen."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably, RemoveIndexRepeatably


class Migration(migrations.Migration):
    """Add the index while the provider goes on to be followed, and drop the other."""

    atomic = False

    dependencies = [
        ("collection", "0018_failed_at"),
    ]

    operations = [
        AddIndexRepeatably(
            model_name="standing",
            index=models.Index(
                condition=models.Q(("failure", ""), _negated=True),
                fields=["-failed_at"],
                name="standing_failed_lately",
            ),
        ),
        RemoveIndexRepeatably(model_name="standing", name="standing_failed"),
    ]
