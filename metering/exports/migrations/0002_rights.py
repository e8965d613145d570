"""Tenants ask for files of their own and read them; the worker makes them."""

from django.db import migrations

from kit.orm.isolation import isolate, tie, tied_to


class Migration(migrations.Migration):
    """Keep tenants apart."""

    dependencies = [("exports", "0001_initial"), ("config", "0001_roles")]
    operations = [
        isolate("exports_export", app="SELECT, INSERT"),
        isolate("exports_exportpart"),
        tied_to("exports_export"),
        tie("exports_exportpart", "export_id", "exports_export"),
    ]
