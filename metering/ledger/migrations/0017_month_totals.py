"""Totals of months, so that what all tenants moved is read without reading each."""

from django.db import migrations, models

import kit.orm.fields


class Migration(migrations.Migration):
    """Create the table of totals."""

    dependencies = [("ledger", "0016_late_postings_index")]
    operations = [
        migrations.CreateModel(
            name="MonthTotal",
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
                ("month", models.DateField(help_text="Its first day.")),
                ("account_kind", models.CharField(max_length=24)),
                ("currency", models.CharField(max_length=3)),
                ("kind", models.CharField(max_length=16)),
                ("debited_picos", kit.orm.fields.PicosField()),
                ("credited_picos", kit.orm.fields.PicosField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month", "account_kind", "currency", "kind"),
                        name="month_total_once",
                    )
                ],
            },
        ),
    ]
