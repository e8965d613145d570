"""Tenants see what they pay with."""

from django.db import migrations

from kit.orm.isolation import isolate


class Migration(migrations.Migration):
    """Keep tenants apart."""

    dependencies = [("collection", "0005_methods"), ("config", "0001_roles")]
    operations = [isolate("collection_paymentmethod")]
