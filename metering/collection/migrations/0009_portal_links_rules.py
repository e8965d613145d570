"""Tenants ask for links of their own and read them; the worker makes them."""

from django.db import migrations

from kit.orm.isolation import isolate


class Migration(migrations.Migration):
    """Keep tenants apart."""

    dependencies = [("collection", "0008_portal_links"), ("config", "0001_roles")]
    operations = [isolate("collection_portallink", app="SELECT, INSERT")]
