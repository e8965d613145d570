"""Let a token replace another; let the last use of a key wait for no change of it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column, drop two constraints."""

    dependencies = [("tenants", "0008_audit_anchors")]
    operations = [
        migrations.AddField(
            model_name="managementtoken",
            name="replaces",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="replaced_by",
                to="tenants.managementtoken",
            ),
        ),
        migrations.AlterField(
            model_name="keyuse",
            name="api_key",
            field=models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="use",
                serialize=False,
                to="tenants.apikey",
            ),
        ),
        migrations.AlterField(
            model_name="keyuse",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="tenants.tenant",
            ),
        ),
    ]
