"""Documents are kept for good; tenants read their own."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate


class Migration(migrations.Migration):
    """Guard the documents."""

    dependencies = [("documents", "0001_initial"), ("config", "0001_roles")]
    operations = [
        append_only("documents_document"),
        isolate("documents_document"),
    ]
