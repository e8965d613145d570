"""Tenants read what their usage is priced in: models and currencies, no prices."""

from django.db import migrations

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Grant to tenants."""

    dependencies = [("pricing", "0002_immutable"), ("config", "0001_roles")]
    operations = [
        grant(
            "pricing_price",
            to="tollgate_app",
            privileges="SELECT (id, version_id, model)",
        ),
        grant(
            "pricing_pricebookversion",
            to="tollgate_app",
            privileges="SELECT (id, book_id)",
        ),
        grant(
            "pricing_pricebook", to="tollgate_app", privileges="SELECT (id, currency)"
        ),
    ]
