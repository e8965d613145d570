"""Say of a suspended tenant whether it is so for what it has not paid."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add what it is suspended for; those that are so far are by people."""

    dependencies = [("tenants", "0016_period_day")]
    operations = [
        migrations.AddField(
            model_name="tenant",
            name="suspended_for",
            field=models.CharField(
                blank=True,
                choices=[("", "as people say"), ("unpaid", "unpaid invoices")],
                db_default="",
                default="",
                editable=False,
                max_length=8,
            ),
        ),
    ]
