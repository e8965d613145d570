"""Find what was booked late on a day."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while days are posted."""

    atomic = False
    dependencies = [("ledger", "0015_locked_months_rules")]
    operations = [
        AddIndexRepeatably(
            "dayposting",
            models.Index(
                fields=["booked_on"],
                condition=models.Q(booked_on__isnull=False),
                name="day_posting_booked_late",
            ),
        ),
    ]
