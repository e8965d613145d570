"""Write down of each billing day which period it lies in.

Until now every period was a calendar month. Days that have begun are fixed, so their
guard is set aside while they are filled in. A worker of the version before goes on
writing days without a period: those get their month.
"""

from django.db import migrations, models

_FILL = """
ALTER TABLE usage_billingday ADD COLUMN period_start date, ADD COLUMN period_end date;
ALTER TABLE usage_billingday DISABLE TRIGGER begun_is_fixed;
UPDATE usage_billingday
   SET period_start = date_trunc('month', date),
       period_end = date_trunc('month', date) + interval '1 month';
ALTER TABLE usage_billingday ENABLE TRIGGER begun_is_fixed;
CREATE FUNCTION usage_billingday_month() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.period_start := date_trunc('month', NEW.date);
    NEW.period_end := date_trunc('month', NEW.date) + interval '1 month';
    RETURN NEW;
END $$;
CREATE TRIGGER without_period BEFORE INSERT ON usage_billingday
    FOR EACH ROW WHEN (NEW.period_start IS NULL)
    EXECUTE FUNCTION usage_billingday_month();
ALTER TABLE usage_billingday
    ALTER COLUMN period_start SET NOT NULL, ALTER COLUMN period_end SET NOT NULL
"""
_UNDO = """
DROP TRIGGER without_period ON usage_billingday;
DROP FUNCTION usage_billingday_month();
ALTER TABLE usage_billingday DROP COLUMN period_start, DROP COLUMN period_end
"""


class Migration(migrations.Migration):
    """Add the columns, filled."""

    dependencies = [("usage", "0009_latency"), ("tenants", "0016_period_day")]
    operations = [
        migrations.RunSQL(
            _FILL,
            _UNDO,
            state_operations=[
                migrations.AddField("billingday", "period_start", models.DateField()),
                migrations.AddField("billingday", "period_end", models.DateField()),
            ],
        ),
        migrations.AddConstraint(
            "billingday",
            models.CheckConstraint(
                condition=models.Q(
                    date__gte=models.F("period_start"), date__lt=models.F("period_end")
                ),
                name="billing_day_in_its_period",
            ),
        ),
    ]
