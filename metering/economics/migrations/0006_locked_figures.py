"""Give months that are locked already the figures that were signed for them."""

from django.db import migrations

_SIGNED = """
ALTER TABLE ledger_lockedmonth DISABLE TRIGGER locking_stays;
UPDATE ledger_lockedmonth held SET figures_sha256 = coalesce((
    SELECT figures_sha256 FROM economics_closesignature signed
    WHERE signed.month = held.month AND signed.step = 'report'
        AND signed.signed_at <= held.locked_at
    ORDER BY signed.id DESC LIMIT 1
), '');
ALTER TABLE ledger_lockedmonth ENABLE TRIGGER locking_stays;
"""


class Migration(migrations.Migration):
    """Fill what the ledger keeps from now on."""

    dependencies = [
        ("economics", "0005_day_totals"),
        ("ledger", "0019_locked_figures"),
    ]
    operations = [migrations.RunSQL(_SIGNED, migrations.RunSQL.noop)]
