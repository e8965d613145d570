"""Let tenants say when their credit is topped up by itself."""

from django.db import migrations

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Grant to tenants, whose rows the policy holds to their own."""

    dependencies = [("topups", "0004_paid_first_rules"), ("config", "0001_roles")]
    operations = [
        grant("topups_topuprule", to="tollgate_app", privileges="INSERT"),
        grant(
            "topups_topuprule",
            to="tollgate_app",
            privileges=(
                "UPDATE (threshold_picos, amount_minor, period_max_minor, cool_off_s,"
                " enabled)"
            ),
        ),
    ]
