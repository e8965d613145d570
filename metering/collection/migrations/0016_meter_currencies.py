"""Which currencies an account takes is kept from hour to hour."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep what settings said."""

    dependencies = [("collection", "0015_meters_rules")]
    operations = [
        migrations.CreateModel(
            name="MeterCurrencies",
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
                ("account", models.CharField(max_length=40)),
                ("since", models.DateTimeField()),
                (
                    "codes",
                    models.CharField(blank=True, default="", max_length=2000),
                ),
                ("takes_these", models.BooleanField()),
            ],
            options={
                "verbose_name_plural": "meter currencies",
                "ordering": ("account", "-since"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "since"), name="meter_currencies_once"
                    )
                ],
            },
        ),
        migrations.RunSQL(
            "REVOKE DELETE, TRUNCATE ON collection_metercurrencies"
            " FROM tollgate_operator",
            migrations.RunSQL.noop,
        ),
    ]
