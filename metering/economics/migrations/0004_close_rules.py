"""A signature stays as it was given, and no tenant reads it."""

from django.db import migrations

from kit.orm.isolation import append_only


class Migration(migrations.Migration):
    """Guard signatures."""

    dependencies = [("economics", "0003_close"), ("config", "0001_roles")]
    operations = [
        append_only("economics_closesignature"),
        migrations.RunSQL(
            "REVOKE ALL ON economics_closesignature FROM tollgate_app",
            migrations.RunSQL.noop,
        ),
    ]
