"""Tenants read how far their usage is rolled up, and up to when it is complete."""

from django.db import migrations

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Grant to tenants."""

    dependencies = [("usage", "0006_hour_rollups"), ("config", "0001_roles")]
    operations = [
        grant(
            "usage_epoch",
            to="tollgate_app",
            privileges="SELECT (id, state, last_seq, heartbeat_at, open_since)",
        ),
        grant(
            "usage_rollupmark",
            to="tollgate_app",
            privileges="SELECT (epoch_id, rolled_seq, hours_seq)",
        ),
    ]
