"""Find a tenant's postings of a span of numbers without reading all of them."""

from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while others post."""

    atomic = False
    dependencies = [("ledger", "0007_posting_order")]
    operations = [
        AddIndexRepeatably(
            "dayposting",
            models.Index(fields=["tenant_id", "id"], name="day_posting_in_order"),
        ),
    ]
