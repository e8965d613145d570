"""Say of a run which of the ledger's transactions it has seen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the number; runs of before have none."""

    dependencies = [("reconciliation", "0006_case_blanks")]
    operations = [
        migrations.AddField("run", "ledger_seen", models.BigIntegerField(null=True)),
    ]
