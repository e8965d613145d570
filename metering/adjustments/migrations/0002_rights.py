"""Adjustments are kept for good; tenants read their own, and nothing of re-ratings."""

from django.db import migrations

from kit.orm.isolation import append_only, isolate

_FOR_OPERATORS = """
REVOKE ALL ON adjustments_rerating, adjustments_reratedtenant FROM tollgate_app;
REVOKE DELETE, TRUNCATE ON adjustments_rerating, adjustments_reratedtenant
    FROM tollgate_operator;
"""
_UNDO = """
GRANT DELETE ON adjustments_rerating, adjustments_reratedtenant TO tollgate_operator;
"""


class Migration(migrations.Migration):
    """Guard what was set right."""

    dependencies = [
        ("adjustments", "0001_initial"),
        ("pricing", "0004_corrective"),
        ("config", "0001_roles"),
    ]
    operations = [
        append_only("adjustments_adjustment"),
        isolate("adjustments_adjustment"),
        isolate("adjustments_rerating"),
        isolate("adjustments_reratedtenant"),
        migrations.RunSQL(_FOR_OPERATORS, _UNDO),
    ]
