"""What gateway processes say of themselves: a row each, written over and over."""

from django.db import migrations, models

from kit.orm.isolation import grant

# Each row is written every two seconds. With room beside it, no index is touched.
_ROOM = migrations.RunSQL(
    "ALTER TABLE control_pulse SET (fillfactor = 20)",
    "ALTER TABLE control_pulse RESET (fillfactor)",
)


class Migration(migrations.Migration):
    """Make the table; gateways write it, operators read it, tenants see nothing."""

    dependencies = [("control", "0016_fallbacks")]
    operations = [
        migrations.CreateModel(
            name="Pulse",
            fields=[
                (
                    "gateway",
                    models.CharField(max_length=128, primary_key=True, serialize=False),
                ),
                ("at", models.DateTimeField()),
                ("started_at", models.DateTimeField()),
                ("body", models.JSONField()),
            ],
        ),
        _ROOM,
        grant(
            "control_pulse",
            to="tollgate_gateway",
            privileges="SELECT, INSERT, UPDATE",
        ),
    ]
