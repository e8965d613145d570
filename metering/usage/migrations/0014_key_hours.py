"""Sum usage by hour, project and key, for as long as such hours are looked at.

What was rolled up before is not summed anew: its hours are counted from events until
they are too old to be looked at. So rows begin with the hour that comes, and each
epoch's mark stands where its days stand. Where nothing was rolled up yet they begin
with the first event. The mark is its own, so that a worker that does not know of these
hours yet leaves no gap.
"""

from django.db import migrations, models

import kit.orm.fields
from kit.orm.isolation import grant, isolate

_BEGIN = """
ALTER TABLE usage_keyhourrollup ADD CONSTRAINT key_hour_is_whole
    CHECK (hour = date_bin('1 hour', hour, 'epoch'::timestamptz));
INSERT INTO usage_keyhourspan (id, kept_from)
SELECT 1, CASE WHEN EXISTS (SELECT FROM usage_rollupmark WHERE rolled_seq > 0)
    THEN date_bin('1 hour', clock_timestamp() + interval '1 hour',
        'epoch'::timestamptz)
    ELSE '2000-01-01T00:00Z' END;
UPDATE usage_rollupmark SET keyed_seq = rolled_seq;
"""
_UNDO = "ALTER TABLE usage_keyhourrollup DROP CONSTRAINT key_hour_is_whole"


class Migration(migrations.Migration):
    """Make the table, the hour from which it is whole, and the mark."""

    dependencies = [("usage", "0013_totals"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="KeyHourRollup",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "hour",
                        "project_id",
                        "api_key_id",
                        "price_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.BigIntegerField()),
                ("hour", models.DateTimeField()),
                ("project_id", models.BigIntegerField()),
                ("api_key_id", models.BigIntegerField()),
                ("price_id", models.BigIntegerField()),
                ("requests", models.BigIntegerField()),
                ("input_tokens", models.BigIntegerField()),
                ("cached_input_tokens", models.BigIntegerField()),
                ("output_tokens", models.BigIntegerField()),
                ("reasoning_tokens", models.BigIntegerField()),
                ("charge_picos", kit.orm.fields.PicosField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["hour"], name="key_hour_rollup_by_hour")
                ],
            },
        ),
        migrations.CreateModel(
            name="KeyHourSpan",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("kept_from", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("pk", 1)), name="key_hour_span_is_one"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="rollupmark",
            name="keyed_seq",
            field=models.BigIntegerField(db_default=0),
        ),
        migrations.RunSQL(_BEGIN, _UNDO),
        isolate("usage_keyhourrollup"),
        grant("usage_keyhourspan", to="tollgate_app", privileges="SELECT (kept_from)"),
        grant("usage_rollupmark", to="tollgate_app", privileges="SELECT (keyed_seq)"),
    ]
