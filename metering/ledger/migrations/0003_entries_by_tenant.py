"""Find a tenant's entries without reading everybody's: a balance is their sum."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while others post."""

    atomic = False
    dependencies = [("ledger", "0002_double_entry")]
    operations = [
        AddIndexRepeatably(
            "entry", models.Index(fields=["tenant_id"], name="ledger_entry_by_tenant")
        ),
    ]
