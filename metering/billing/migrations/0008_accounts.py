"""Name the account at the provider; what there is belongs to the default one."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the names, and count customers and attempts by them."""

    dependencies = [
        ("billing", "0007_to_close"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="providercustomer",
            name="provider_customer_one_per_tenant",
        ),
        migrations.RemoveConstraint(
            model_name="provideroperation",
            name="provider_operation_attempt_once",
        ),
        migrations.AddField(
            model_name="invoice",
            name="provider_account",
            field=models.CharField(
                db_default="default",
                default="default",
                help_text="Which of our accounts at the provider takes it.",
                max_length=40,
            ),
        ),
        migrations.AddField(
            model_name="providercustomer",
            name="account",
            field=models.CharField(
                db_default="default", default="default", max_length=40
            ),
        ),
        migrations.AddField(
            model_name="provideroperation",
            name="account",
            field=models.CharField(
                db_default="default", default="default", max_length=40
            ),
        ),
        migrations.AddConstraint(
            model_name="providercustomer",
            constraint=models.UniqueConstraint(
                fields=("tenant", "provider", "account"),
                name="provider_customer_one_per_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="provideroperation",
            constraint=models.UniqueConstraint(
                fields=("provider", "account", "name", "subject", "attempt"),
                name="provider_operation_attempt_once_in_account",
            ),
        ),
    ]
