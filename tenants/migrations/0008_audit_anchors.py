"""Anchors of the audit's chains; a head that cannot be another chain's."""

import django.db.models.functions.comparison
import django.db.models.functions.datetime
from django.db import migrations, models

from kit.orm.isolation import append_only


class Migration(migrations.Migration):
    """Make the table of anchors, tie heads to their tenants, index entries by chain."""

    dependencies = [("tenants", "0007_limits_rights")]
    operations = [
        migrations.CreateModel(
            name="AuditAnchor",
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
                ("chain", models.BigIntegerField()),
                ("date", models.DateField()),
                ("seq", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("signature", models.CharField(max_length=64)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
            ],
            options={
                "ordering": ("chain", "seq"),
                "indexes": [
                    models.Index(fields=["chain", "seq"], name="audit_anchor_in_order")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("chain", "date"), name="audit_anchor_once_a_day"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["chain", "id"], name="audit_entry_of_chain"),
        ),
        migrations.AddConstraint(
            model_name="audithead",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "chain",
                        django.db.models.functions.comparison.Coalesce(
                            "tenant_id", 0, output_field=models.BigIntegerField()
                        ),
                    )
                ),
                name="audit_head_of_its_chain",
            ),
        ),
        append_only("tenants_auditanchor"),
    ]
