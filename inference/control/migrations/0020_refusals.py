"""How often requests were refused: gateways count it, tenants read their own."""

from django.db import migrations, models

from kit.orm.isolation import isolate, open_to_gateway


class Migration(migrations.Migration):
    """Make the table and say who may what in it."""

    dependencies = [("control", "0019_own_keys_seen"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="Refusal",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "tenant_id",
                        "hour",
                        "source",
                        "project_id",
                        "api_key_id",
                        "model",
                        "status",
                        "code",
                        "refused_by",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("tenant_id", models.BigIntegerField()),
                ("hour", models.DateTimeField()),
                ("source", models.CharField(max_length=128)),
                ("project_id", models.BigIntegerField()),
                ("api_key_id", models.BigIntegerField()),
                ("model", models.CharField(max_length=128)),
                ("status", models.SmallIntegerField()),
                ("code", models.CharField(max_length=64)),
                ("refused_by", models.CharField(max_length=64)),
                ("requests", models.BigIntegerField()),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "indexes": [models.Index(fields=["hour"], name="refusal_by_hour")]
            },
        ),
        isolate("control_refusal"),
        open_to_gateway("control_refusal", privileges="SELECT, INSERT, UPDATE"),
    ]
