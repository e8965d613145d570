"""Remember which billing days the ledger has to take over."""

from django.db import migrations, models

from kit.orm.isolation import isolate


class Migration(migrations.Migration):
    """Make the table that rollups write and postings empty."""

    dependencies = [("usage", "0002_events")]
    operations = [
        migrations.CreateModel(
            name="ChangedDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "date",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.BigIntegerField()),
                ("date", models.DateField()),
            ],
        ),
        isolate("usage_changedday"),
        migrations.RunSQL(
            # Every batch of a rollup touches the same few rows.
            "ALTER TABLE usage_changedday SET (fillfactor = 50)",
            "ALTER TABLE usage_changedday RESET (fillfactor)",
        ),
    ]
