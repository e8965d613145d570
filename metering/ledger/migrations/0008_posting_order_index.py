"""Find a tenant's postings of a span of numbers without reading all of them."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the index, while others post."""

    atomic = False
    dependencies = [("ledger", "0007_posting_order")]
    operations = [
        AddIndexConcurrently(
            "dayposting",
            models.Index(fields=["tenant_id", "id"], name="day_posting_in_order"),
        ),
    ]
