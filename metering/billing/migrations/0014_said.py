"""What was last said of a tenant to a provider, to say it anew when it changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add its hash; of customers from before, nothing is known."""

    dependencies = [("billing", "0013_default_method")]

    operations = [
        migrations.AddField(
            model_name="providercustomer",
            name="said_sha256",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The hash of what was last said of the tenant there.",
                max_length=64,
            ),
        ),
    ]
