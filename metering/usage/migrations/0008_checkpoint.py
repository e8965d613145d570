"""Keep what each open epoch's running requests have used, for when it is lost."""

import django.db.models.deletion
from django.db import migrations, models

from kit.orm.isolation import grant

# One row an epoch, rewritten a few times a second: its old versions must go soon.
_VACUUM = """
ALTER TABLE usage_checkpoint SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
    toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000
)
"""
_NO_VACUUM = """
ALTER TABLE usage_checkpoint RESET (
    fillfactor, autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    toast.autovacuum_vacuum_scale_factor, toast.autovacuum_vacuum_threshold
)
"""


class Migration(migrations.Migration):
    """Make the table and its rights."""

    dependencies = [("usage", "0007_tenant_reads"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "epoch",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="usage.epoch",
                    ),
                ),
                ("slots", models.BinaryField()),
                ("noted_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(_VACUUM, _NO_VACUUM),
        grant(
            "usage_checkpoint",
            to="tollgate_gateway",
            privileges="SELECT, INSERT, UPDATE, DELETE",
        ),
    ]
