"""Rates are append-only, and what serving costs is the operators' alone to read."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

_FOR_OPERATORS = """
REVOKE ALL ON economics_costrate, economics_replicaspan, economics_daymargin,
    economics_workedday FROM tollgate_app;
REVOKE DELETE, TRUNCATE ON economics_replicaspan FROM tollgate_operator;
"""
_UNDO = "GRANT DELETE ON economics_replicaspan TO tollgate_operator;"


class Migration(migrations.Migration):
    """Guard rates and spans, and keep tenants out."""

    dependencies = [("economics", "0001_costs"), ("config", "0001_roles")]
    operations = [
        append_only("economics_costrate"),
        isolate("economics_daymargin"),
        migrations.RunSQL(_FOR_OPERATORS, _UNDO),
    ]
