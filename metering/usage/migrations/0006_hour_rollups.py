"""Sum usage by hour of UTC, for charts.

The table starts empty and every epoch's hours at zero: the roller takes what was rolled
up into days before along the same numbers, in batches of its own size, and a report
reads from events what is still above that mark. So there is no step that could be
interrupted half-way, and a worker that does not know of hours yet leaves no gap.
"""

from django.db import migrations, models

import kit.orm.fields
from kit.orm.isolation import isolate

_WHOLE = """
ALTER TABLE usage_hourrollup ADD CONSTRAINT hour_is_whole
    CHECK (hour = date_bin('1 hour', hour, 'epoch'::timestamptz))
"""
_UNDO = "ALTER TABLE usage_hourrollup DROP CONSTRAINT hour_is_whole"


class Migration(migrations.Migration):
    """Make the table of hours and the mark of how far it has come."""

    dependencies = [("usage", "0005_default_partition")]
    operations = [
        migrations.CreateModel(
            name="HourRollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "hour",
                        "price_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.BigIntegerField()),
                ("hour", models.DateTimeField()),
                ("price_id", models.BigIntegerField()),
                ("requests", models.BigIntegerField()),
                ("input_tokens", models.BigIntegerField()),
                ("cached_input_tokens", models.BigIntegerField()),
                ("output_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("charge_picos", kit.orm.fields.PicosField()),
            ],
            options={
                "indexes": [models.Index(fields=["hour"], name="hour_rollup_by_hour")],
            },
        ),
        migrations.AddField(
            model_name="rollupmark",
            name="hours_seq",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.RunSQL(_WHOLE, _UNDO),
        isolate("usage_hourrollup"),
    ]
