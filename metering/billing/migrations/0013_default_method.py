"""What a customer of a provider's pays with, as last read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0012_to_follow_up"),
    ]

    operations = [
        migrations.AddField(
            model_name="providercustomer",
            name="default_method",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What it pays with unless told otherwise, as last read.",
                max_length=100,
            ),
        ),
    ]
