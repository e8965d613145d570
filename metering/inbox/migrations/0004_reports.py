"""Meters' reports are listed apart."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Keep up to where they were listed."""

    dependencies = [("inbox", "0003_first_attempt")]
    operations = [
        migrations.AddField(
            model_name="progress",
            name="reports_to",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
