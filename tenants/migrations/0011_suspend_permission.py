"""Let support suspend and restore tenants without changing anything else of them."""

from django.db import migrations


class Migration(migrations.Migration):
    """Add a permission of its own."""

    dependencies = [("tenants", "0010_search_indexes")]
    operations = [
        migrations.AlterModelOptions(
            name="tenant",
            options={
                "ordering": ("slug",),
                "permissions": (("suspend_tenant", "Can suspend and restore tenants"),),
            },
        ),
    ]
