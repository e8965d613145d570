"""What the outbox keeps of refusals and of its pace; and what is put off."""

from django.db import migrations, models

_GUARD = """
CREATE OR REPLACE FUNCTION billing_number_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changing text[] := ARRAY[{changing}];
BEGIN
    IF OLD.number IS NOT NULL AND (
        TG_OP = 'DELETE'
        OR to_jsonb(NEW) - changing IS DISTINCT FROM to_jsonb(OLD) - changing
    ) THEN
        RAISE EXCEPTION 'an issued invoice keeps what it says'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
"""
_BEFORE = (
    "'state', 'provider_reference', 'hosted_url', 'problem', 'paid_minor',"
    " 'credited_minor', 'written_off_minor'"
)
_AFTER = f"{_BEFORE}, 'carried_minor', 'tries', 'try_after'"


class Migration(migrations.Migration):
    """Count refusals, say when an invoice is tried again, and when a call may be made."""

    dependencies = [
        ("billing", "0009_fees_in_advance"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.CreateModel(
            name="CallPace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("account", models.CharField(max_length=40)),
                ("endpoint", models.CharField(blank=True, max_length=100)),
                (
                    "free_at_us",
                    models.BigIntegerField(
                        help_text="Microseconds since 1970, by the database's clock."
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="invoice",
            name="carried_minor",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="Too little to be asked for: carried to the next invoice there.",
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="invoice",
            name="try_after",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="provideroperation",
            name="refusals",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often it was refused since a person last let it go on.",
            ),
        ),
        migrations.AlterField(
            model_name="provideroperation",
            name="state",
            field=models.CharField(
                choices=[
                    ("intent", "Intent"),
                    ("succeeded", "Succeeded"),
                    ("failed", "Failed"),
                    ("unknown", "Unknown"),
                    ("parked", "Parked"),
                    ("dropped", "Dropped"),
                ],
                default="intent",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="callpace",
            constraint=models.UniqueConstraint(
                fields=("account", "endpoint"), name="call_pace_once"
            ),
        ),
        # What it holds is worth nothing once the server has stopped.
        migrations.RunSQL(
            "ALTER TABLE billing_callpace SET UNLOGGED",
            "ALTER TABLE billing_callpace SET LOGGED",
        ),
        migrations.RunSQL(
            _GUARD.format(changing=_AFTER), _GUARD.format(changing=_BEFORE)
        ),
    ]
