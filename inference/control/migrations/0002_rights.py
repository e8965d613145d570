"""Gateways read publications and nothing else; tenants may read which models there are."""

from django.db import migrations

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Grant, and make the one row that orders publications."""

    dependencies = [("control", "0001_initial"), ("config", "0001_roles")]
    operations = [
        grant("control_publication", to="tollgate_gateway", privileges="SELECT"),
        grant("control_servedmodel", to="tollgate_app", privileges="SELECT"),
        migrations.RunSQL(
            "INSERT INTO control_publicationversion (id, version) VALUES (1, 0)",
            "DELETE FROM control_publicationversion",
        ),
    ]
