"""Find the invoices that are overdue without reading all that were ever issued."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while invoices are issued and paid."""

    atomic = False
    dependencies = [("billing", "0011_outbox_indexes")]
    operations = [
        AddIndexRepeatably(
            "invoice",
            models.Index(
                fields=["due_date"],
                condition=models.Q(state="open"),
                name="invoice_to_follow_up",
            ),
        ),
    ]
