"""Sum usage over tenants: by hour, and by day and month of UTC for each key.

The tables start empty and every epoch's totals at zero: the roller takes what was
rolled up before along the same numbers, in batches of its own size. Until it has come
that far, answers come from days and hours as they did before.
"""

from typing import Any

from django.db import migrations, models

import kit.orm.fields
from kit.orm.isolation import isolate

_WHOLE = """
ALTER TABLE usage_hourtotal ADD CONSTRAINT hour_total_is_whole
    CHECK (hour = date_bin('1 hour', hour, 'epoch'::timestamptz));
ALTER TABLE usage_utcrollup ADD CONSTRAINT utc_month_is_whole
    CHECK (NOT is_month OR date_part('day', date) = 1)
"""
_NOT_WHOLE = """
ALTER TABLE usage_utcrollup DROP CONSTRAINT utc_month_is_whole;
ALTER TABLE usage_hourtotal DROP CONSTRAINT hour_total_is_whole
"""


def _measures() -> "list[tuple[str, models.Field[Any, Any]]]":
    names = (
        "requests",
        "input_tokens",
        "cached_input_tokens",
        "output_tokens",
        "reasoning_tokens",
    )
    return [
        *((name, models.BigIntegerField()) for name in names),
        ("charge_picos", kit.orm.fields.PicosField()),
    ]


def _key(*fields: str) -> tuple[str, models.CompositePrimaryKey]:
    key = models.CompositePrimaryKey(
        *fields, blank=True, editable=False, primary_key=True, serialize=False
    )
    return ("pk", key)


class Migration(migrations.Migration):
    """Make the tables of totals and the mark of how far they have come."""

    dependencies = [("usage", "0012_handling"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="HourTotal",
            fields=[
                _key("hour", "model", "currency"),
                ("hour", models.DateTimeField()),
                ("model", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=3)),
                *_measures(),
            ],
        ),
        migrations.CreateModel(
            name="UtcRollup",
            fields=[
                _key(
                    "tenant_id",
                    "is_month",
                    "date",
                    "project_id",
                    "api_key_id",
                    "model",
                    "currency",
                ),
                ("tenant_id", models.BigIntegerField()),
                ("is_month", models.BooleanField()),
                (
                    "date",
                    models.DateField(help_text="The day, or the first of the month."),
                ),
                ("project_id", models.BigIntegerField()),
                ("api_key_id", models.BigIntegerField()),
                ("model", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=3)),
                *_measures(),
            ],
            options={
                "indexes": [
                    models.Index(fields=["is_month", "date"], name="utc_rollup_by_date")
                ],
            },
        ),
        migrations.AddField(
            model_name="rollupmark",
            name="totals_seq",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.RunSQL(_WHOLE, _NOT_WHOLE),
        isolate("usage_utcrollup"),
    ]
