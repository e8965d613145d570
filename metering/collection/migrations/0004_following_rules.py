"""Tenants see their own; which payment of a provider's a payment is never changes."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

_KEPT = """
REVOKE DELETE, TRUNCATE ON collection_standing, collection_providerrefund,
    collection_dispute FROM tollgate_operator;
"""


class Migration(migrations.Migration):
    """Guard what was read."""

    dependencies = [("collection", "0003_following"), ("config", "0001_roles")]
    operations = [
        append_only("collection_providerpayment"),
        migrations.RunSQL(_KEPT, migrations.RunSQL.noop),
        isolate("collection_providerpayment"),
        isolate("collection_standing"),
        isolate("collection_providerrefund"),
        isolate("collection_dispute"),
    ]
