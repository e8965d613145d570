"""References of people and those of re-ratings do not meet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Hold people's references to once, and re-ratings to once for each tenant."""

    dependencies = [("adjustments", "0002_rights")]

    operations = [
        migrations.RemoveConstraint("adjustment", "adjustment_once_per_reference"),
        migrations.AddConstraint(
            "adjustment",
            models.UniqueConstraint(
                condition=models.Q(("kind", "rerate"), _negated=True),
                fields=("tenant", "reference"),
                name="adjustment_once_per_reference",
            ),
        ),
        migrations.AddConstraint(
            "adjustment",
            models.UniqueConstraint(
                fields=("tenant", "rerating"), name="adjustment_once_per_rerating"
            ),
        ),
    ]
