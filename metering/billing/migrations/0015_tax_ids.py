"""Tax ids of tenants, as they were told to a provider."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0014_said"),
    ]

    operations = [
        migrations.AddField(
            model_name="providercustomer",
            name="tax_id_problem",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why its tax id is not known there.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="providercustomer",
            name="tax_id_reference",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=100
            ),
        ),
        migrations.AddField(
            model_name="providercustomer",
            name="tax_id_sha256",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The hash of the tax id that was last said there.",
                max_length=64,
            ),
        ),
    ]
