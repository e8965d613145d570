"""Know when an attempt to collect was seen to fail, however often it is looked at."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the instant; of what failed before it is not known, and is no news."""

    dependencies = [
        ("collection", "0017_failed_standings"),
    ]

    operations = [
        migrations.AddField(
            model_name="standing",
            name="failed_at",
            field=models.DateTimeField(
                blank=True, help_text="When that was seen first.", null=True
            ),
        ),
    ]
