"""Keep with a locked month which figures it was locked for."""

from django.db import migrations, models

_GUARD = """
CREATE OR REPLACE FUNCTION ledger_lockedmonth_guard() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.reopened_at IS NOT NULL
        OR (OLD.id, OLD.month, OLD.prepared_by_id, OLD.approved_by_id, OLD.locked_at{old})
        IS DISTINCT FROM
        (NEW.id, NEW.month, NEW.prepared_by_id, NEW.approved_by_id, NEW.locked_at{new})
    THEN
        RAISE EXCEPTION 'a locking of a month changes only by its reopening'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    """Add the hash, and guard it."""

    dependencies = [("ledger", "0018_month_totals_follow")]
    operations = [
        migrations.AddField(
            "lockedmonth",
            "figures_sha256",
            models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of its trial balance then.",
                max_length=64,
            ),
        ),
        migrations.RunSQL(
            _GUARD.format(old=", OLD.figures_sha256", new=", NEW.figures_sha256"),
            _GUARD.format(old="", new=""),
        ),
    ]
