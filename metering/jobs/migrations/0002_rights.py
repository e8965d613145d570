"""Jobs are for operators: tenants do not read them, and nobody deletes them."""

from django.db import migrations

from kit.orm.isolation import isolate

_FOR_OPERATORS = """
REVOKE ALL ON jobs_job FROM tollgate_app;
REVOKE DELETE, TRUNCATE ON jobs_job FROM tollgate_operator;
"""


class Migration(migrations.Migration):
    """Guard jobs."""

    dependencies = [("jobs", "0001_initial"), ("config", "0001_roles")]
    operations = [
        isolate("jobs_job"),
        migrations.RunSQL(_FOR_OPERATORS, migrations.RunSQL.noop),
    ]
