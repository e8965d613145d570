"""Find a tenant's fees without reading the lines of all."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while others work."""

    atomic = False

    dependencies = [("billing", "0008_accounts")]

    operations = [
        AddIndexRepeatably(
            model_name="invoiceline",
            index=models.Index(
                fields=["tenant_id"],
                condition=models.Q(("kind", "fee")),
                name="invoice_line_of_fee",
            ),
        ),
    ]
