"""Other names for served models, and one name for one thing.

No constraint reaches over two tables, so a trigger keeps a name from being a model's
and an alias's at once: whoever takes one waits for whoever else does.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from kit.orm.isolation import grant

_ONE_NAME = migrations.RunSQL(
    """
    CREATE FUNCTION control_name_is_free() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
    DECLARE
        is_taken boolean;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('control_name', 0));
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I WHERE name = $1)',
            TG_ARGV[0]) INTO is_taken USING NEW.name;
        IF is_taken THEN
            RAISE unique_violation USING
                MESSAGE = format('%s has the name %s', TG_ARGV[0], NEW.name);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER control_name_is_free BEFORE INSERT OR UPDATE OF name
        ON control_servedmodel FOR EACH ROW
        EXECUTE FUNCTION control_name_is_free('control_modelalias');
    CREATE TRIGGER control_name_is_free BEFORE INSERT OR UPDATE OF name
        ON control_modelalias FOR EACH ROW
        EXECUTE FUNCTION control_name_is_free('control_servedmodel');
    """,
    """
    DROP TRIGGER control_name_is_free ON control_servedmodel;
    DROP TRIGGER control_name_is_free ON control_modelalias;
    DROP FUNCTION control_name_is_free();
    """,
)


class Migration(migrations.Migration):
    """Make the table; tenants read it, as they do the models."""

    dependencies = [("control", "0011_model_settings")]
    operations = [
        migrations.CreateModel(
            name="ModelAlias",
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
                    "name",
                    models.CharField(
                        max_length=128,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}\\Z",
                                "Start with a letter or digit; then letters, digits"
                                " and . _ : / - may follow.",
                            )
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                (
                    "model",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="aliases",
                        to="control.servedmodel",
                    ),
                ),
            ],
            options={"ordering": ("name",), "verbose_name_plural": "model aliases"},
        ),
        grant("control_modelalias", to="tollgate_app", privileges="SELECT"),
        _ONE_NAME,
        migrations.AlterField(
            model_name="publication",
            name="kind",
            field=models.CharField(
                choices=[
                    ("api_key", "Api Key"),
                    ("tenant", "Tenant"),
                    ("model", "Model"),
                    ("replica", "Replica"),
                    ("plan", "Plan"),
                    ("limits", "Limits"),
                    ("alias", "Alias"),
                ],
                max_length=16,
            ),
        ),
    ]
