"""What an address leaves that was forgotten: enough to know that it declined."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a column; rows that are there have nothing of it."""

    dependencies = [
        ("tenants", "0021_uncollected"),
    ]

    operations = [
        migrations.AddField(
            model_name="billingaddress",
            name="digest",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=64
            ),
        ),
    ]
