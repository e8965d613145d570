"""What days came to of all tenants together."""

from django.db import migrations, models

import kit.orm.fields

_SUMS = (
    "requests, input_tokens, cached_input_tokens, output_tokens, revenue_picos,"
    " cost_picos"
)
# Days are made anew as a whole: what a worker writes meanwhile has its totals with it.
_BEGIN = f"""
INSERT INTO economics_daytotal (date, model, currency, is_idle, {_SUMS})
SELECT date, model, currency, tenant_id IS NULL,
    {", ".join(f"sum({name})" for name in _SUMS.split(", "))}
FROM economics_daymargin GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT DO NOTHING
"""  # noqa: S608 - put together from the constants above


class Migration(migrations.Migration):
    """Create the totals, fill them, and keep tenants out."""

    dependencies = [("economics", "0004_close_rules"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="DayTotal",
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
                ("date", models.DateField()),
                ("model", models.CharField(max_length=128)),
                ("currency", models.CharField(max_length=3)),
                ("is_idle", models.BooleanField()),
                ("requests", models.BigIntegerField(default=0)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("cached_input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("revenue_picos", kit.orm.fields.PicosField(default=0)),
                ("cost_picos", kit.orm.fields.PicosField(default=0)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("date", "currency", "model", "is_idle"),
                        name="day_total_once",
                    )
                ],
            },
        ),
        migrations.RunSQL(
            f"{_BEGIN}; REVOKE ALL ON economics_daytotal FROM tollgate_app",
            migrations.RunSQL.noop,
        ),
    ]
