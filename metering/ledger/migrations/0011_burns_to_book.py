"""Find the grants that burned since they were last booked."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while credit burns."""

    atomic = False
    dependencies = [("ledger", "0010_burn_rules")]
    operations = [
        AddIndexRepeatably(
            "creditgrant",
            models.Index(
                fields=["tenant_id"],
                condition=~models.Q(burned_picos=models.F("booked_picos")),
                name="credit_grant_to_book",
            ),
        ),
    ]
