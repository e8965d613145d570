"""A published entry says whose it is, so that a tenant's own writes can publish it."""

from django.db import migrations, models

# Withdrawn keys have no body to tell; their rows do.
_FILL = """
UPDATE control_publication SET tenant_id = key::bigint WHERE kind = 'tenant';
UPDATE control_publication AS entry SET tenant_id = api_key.tenant_id
  FROM tenants_apikey AS api_key
 WHERE entry.kind = 'api_key' AND entry.key = api_key.digest;
"""


class Migration(migrations.Migration):
    """Add the column and fill it."""

    dependencies = [("control", "0003_model_tokenizer"), ("tenants", "0003_access")]
    operations = [
        migrations.AddField(
            model_name="publication",
            name="tenant_id",
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
    ]
