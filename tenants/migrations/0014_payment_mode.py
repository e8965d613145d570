"""Say of each tenant whether it pays from credit or by invoice.

Only operators may: the app role's right to update names its columns.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the mode; every tenant so far pays by invoice."""

    dependencies = [("tenants", "0013_ties")]
    operations = [
        migrations.AddField(
            model_name="tenant",
            name="payment_mode",
            field=models.CharField(
                choices=[
                    ("postpaid", "postpaid: by invoice, after use"),
                    ("prepaid", "prepaid: from credit, before use"),
                ],
                db_default="postpaid",
                default="postpaid",
                help_text="Prepaid: without credit, no call is admitted.",
                max_length=8,
            ),
        ),
    ]
