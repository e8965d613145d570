"""Take from the tenants' role what no page of theirs reads: days of UTC by key.

They answer questions over several tenants, which operators alone ask.
"""

from django.db import migrations


class Migration(migrations.Migration):
    """Revoke the right; the policies stay."""

    dependencies = [("usage", "0014_key_hours")]
    operations = [
        migrations.RunSQL(
            "REVOKE SELECT ON usage_utcrollup FROM tollgate_app",
            "GRANT SELECT ON usage_utcrollup TO tollgate_app",
        )
    ]
