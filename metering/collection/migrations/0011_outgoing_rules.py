"""Tenants see what of theirs is on its way; nothing of it is forgotten."""

from django.db import migrations

from kit.orm.isolation import isolate


class Migration(migrations.Migration):
    """Keep tenants apart."""

    dependencies = [("collection", "0010_outgoing"), ("config", "0001_roles")]
    operations = [
        isolate("collection_outgoing"),
        migrations.RunSQL(
            "REVOKE DELETE, TRUNCATE ON collection_outgoing FROM tollgate_operator",
            migrations.RunSQL.noop,
        ),
    ]
