"""Tell of each tenant whether it pays beforehand, in the entries that are published."""

from django.db import migrations

# A tenant's own change compares its entry and may not write it: it must differ in
# nothing.
_PREPAID = migrations.RunSQL(
    """
    UPDATE control_publication AS entry
       SET body = body
           || jsonb_build_object('prepaid', tenant.payment_mode = 'prepaid')
      FROM tenants_tenant AS tenant
     WHERE entry.kind = 'tenant' AND entry.key = tenant.id::text
       AND entry.body IS NOT NULL
    """,
    "UPDATE control_publication SET body = body - 'prepaid' WHERE kind = 'tenant'",
)


class Migration(migrations.Migration):
    """Fill what entries from before do not say."""

    dependencies = [
        ("control", "0007_calibration"),
        ("tenants", "0014_payment_mode"),
    ]
    operations = [_PREPAID]
