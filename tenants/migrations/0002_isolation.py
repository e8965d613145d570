"""Tenants see their own rows only."""

from django.db import migrations

from kit.orm.isolation import isolate


class Migration(migrations.Migration):
    """Enable row-level security."""

    dependencies = [("tenants", "0001_initial"), ("config", "0001_roles")]
    operations = [
        isolate("tenants_tenant", column="id"),
        isolate("tenants_project", app="SELECT, INSERT, UPDATE"),
        isolate("tenants_apikey", app="SELECT, INSERT, UPDATE"),
    ]
