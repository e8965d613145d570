"""A kind of mail: a payment that could not be collected."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Name the kind; the column stays as it is."""

    dependencies = [
        ("tenants", "0020_reached_and_chosen"),
    ]

    operations = [
        migrations.AlterField(
            model_name="mail",
            name="kind",
            field=models.CharField(
                choices=[
                    ("invitation", "Invitation"),
                    ("address", "confirm a billing address"),
                    ("alert", "Alert"),
                    ("invoice", "invoice issued"),
                    ("payment", "payment received"),
                    ("uncollected", "payment failed"),
                    ("dunning", "unpaid invoice"),
                ],
                max_length=16,
            ),
        ),
    ]
