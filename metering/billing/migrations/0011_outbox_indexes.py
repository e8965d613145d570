"""Find what is undone without reading all."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the indexes, while others work."""

    atomic = False

    dependencies = [("billing", "0010_outbox")]

    operations = [
        AddIndexRepeatably(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("hosted_url", "")),
                fields=["id"],
                name="invoice_to_advance",
            ),
        ),
        AddIndexRepeatably(
            model_name="provideroperation",
            index=models.Index(
                condition=models.Q(("state", "succeeded"), _negated=True),
                fields=["created_at"],
                name="provider_operation_undone",
            ),
        ),
    ]
