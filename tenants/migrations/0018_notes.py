"""What operators note on tenants: theirs alone, and never changed."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from kit.orm.isolation import append_only

# No right, and were one ever given, no row.
_THEIRS_ALONE = migrations.RunSQL(
    """
    ALTER TABLE tenants_note ENABLE ROW LEVEL SECURITY;
    CREATE POLICY operator_all ON tenants_note TO tollgate_operator
        USING (true) WITH CHECK (true);
    """,
    """
    DROP POLICY operator_all ON tenants_note;
    ALTER TABLE tenants_note DISABLE ROW LEVEL SECURITY;
    """,
)


class Migration(migrations.Migration):
    """Make the table; tenants have no right to it."""

    dependencies = [("tenants", "0017_suspended_for"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="Note",
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
                (
                    "text",
                    models.TextField(
                        max_length=4000,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                ("author_id", models.BigIntegerField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notes",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["tenant", "-id"], name="note_of_tenant")
                ],
            },
        ),
        append_only("tenants_note"),
        _THEIRS_ALONE,
    ]
