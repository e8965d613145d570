"""Keep of each request how long it waited and how evenly its tokens came.

New columns that may be empty are a change of the catalogue alone: no partition is
rewritten, and a gateway of the version before goes on inserting without them.
"""

from django.db import migrations, models

_COLUMNS = """
ALTER TABLE usage_event
    ADD COLUMN queue_us bigint,
    ADD COLUMN last_token_us bigint,
    ADD COLUMN chunks integer,
    ADD COLUMN gap_max_us bigint
"""
_NO_COLUMNS = """
ALTER TABLE usage_event
    DROP COLUMN queue_us, DROP COLUMN last_token_us,
    DROP COLUMN chunks, DROP COLUMN gap_max_us
"""
_NAMES = "queue_us, last_token_us, chunks, gap_max_us"


class Migration(migrations.Migration):
    """Add the columns, and let gateways write them."""

    dependencies = [("usage", "0008_checkpoint"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(
            _COLUMNS,
            _NO_COLUMNS,
            state_operations=[
                migrations.AddField(
                    "event", "queue_us", models.BigIntegerField(null=True)
                ),
                migrations.AddField(
                    "event", "last_token_us", models.BigIntegerField(null=True)
                ),
                migrations.AddField("event", "chunks", models.IntegerField(null=True)),
                migrations.AddField(
                    "event", "gap_max_us", models.BigIntegerField(null=True)
                ),
            ],
        ),
        migrations.RunSQL(
            f"GRANT INSERT ({_NAMES}) ON usage_event TO tollgate_gateway",
            f"REVOKE INSERT ({_NAMES}) ON usage_event FROM tollgate_gateway",
        ),
    ]
