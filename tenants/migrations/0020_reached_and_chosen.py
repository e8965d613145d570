"""Whom mails did not reach, who declined to get bills, what members want no mails of."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a column each; rows that are there have nothing of it."""

    dependencies = [
        ("tenants", "0019_mails"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingaddress",
            name="declined_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="mail",
            name="refused",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.EmailField(max_length=254),
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="member",
            name="mails_off",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32),
                blank=True,
                db_default=[],
                default=list,
                editable=False,
                help_text="What the member chose to get no mails of.",
                size=None,
            ),
        ),
    ]
