"""Keep of each request what was done for it: held, tried, asked for again.

New columns that may be empty are a change of the catalogue alone: no partition is
rewritten, and a gateway of the version before goes on inserting without them.
"""

from django.db import migrations, models

_COLUMNS = """
ALTER TABLE usage_event
    ADD COLUMN attempts smallint,
    ADD COLUMN held_input_tokens integer,
    ADD COLUMN held_output_tokens integer,
    ADD COLUMN keyed smallint
"""
_NO_COLUMNS = """
ALTER TABLE usage_event
    DROP COLUMN attempts, DROP COLUMN held_input_tokens,
    DROP COLUMN held_output_tokens, DROP COLUMN keyed
"""
_NAMES = "attempts, held_input_tokens, held_output_tokens, keyed"
_KEYED = [(0, "none"), (1, "first"), (2, "retry")]


class Migration(migrations.Migration):
    """Add the columns, and let gateways write them."""

    dependencies = [("usage", "0011_receipt_prices"), ("config", "0001_roles")]
    operations = [
        migrations.RunSQL(
            _COLUMNS,
            _NO_COLUMNS,
            state_operations=[
                migrations.AddField(
                    "event", "attempts", models.SmallIntegerField(null=True)
                ),
                migrations.AddField(
                    "event", "held_input_tokens", models.IntegerField(null=True)
                ),
                migrations.AddField(
                    "event", "held_output_tokens", models.IntegerField(null=True)
                ),
                migrations.AddField(
                    "event",
                    "keyed",
                    models.SmallIntegerField(choices=_KEYED, null=True),
                ),
            ],
        ),
        migrations.RunSQL(
            f"GRANT INSERT ({_NAMES}) ON usage_event TO tollgate_gateway",
            f"REVOKE INSERT ({_NAMES}) ON usage_event FROM tollgate_gateway",
        ),
    ]
