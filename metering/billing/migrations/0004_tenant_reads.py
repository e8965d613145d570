"""Tenants read who issued their invoices, but not how many it issued."""

from django.db import migrations

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Grant to tenants."""

    dependencies = [("billing", "0003_issued_dates"), ("config", "0001_roles")]
    operations = [
        grant(
            "billing_seller",
            to="tollgate_app",
            privileges="SELECT (id, name, number_prefix)",
        ),
    ]
