"""Say on which day of the month a tenant's billing periods begin."""

import django.core.validators
from django.db import migrations, models

from kit.orm.isolation import grant


class Migration(migrations.Migration):
    """Add the day; every tenant so far is billed by calendar months."""

    dependencies = [("tenants", "0015_priorities"), ("config", "0001_roles")]
    operations = [
        migrations.AddField(
            model_name="tenant",
            name="period_day",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="The day of the month on which its billing periods begin.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(28),
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                condition=models.Q(("period_day__gte", 1), ("period_day__lte", 28)),
                name="tenant_period_day_is_in_every_month",
            ),
        ),
        grant("tenants_tenant", to="tollgate_app", privileges="UPDATE (period_day)"),
    ]
