"""How a top-up is paid for, and that a payment of it is under way."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_to_close"),
        ("ledger", "0011_burns_to_book"),
        ("tenants", "0017_suspended_for"),
        ("topups", "0002_topups_rules"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="topup",
            name="top_up_one_open",
        ),
        migrations.AddField(
            model_name="topup",
            name="problem",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Why it waits, or what became of its payment.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="topup",
            name="way",
            field=models.CharField(
                choices=[
                    ("invoice", "by its invoice"),
                    ("checkout", "on the provider's page"),
                    ("method", "by the default payment method"),
                ],
                db_default="invoice",
                default="invoice",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="topup",
            name="state",
            field=models.CharField(
                choices=[
                    ("due", "Due"),
                    ("pending", "payment under way"),
                    ("invoiced", "Invoiced"),
                    ("paid", "Paid"),
                    ("failed", "Failed"),
                    ("cancelled", "Cancelled"),
                ],
                default="due",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="topup",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ("due", "pending", "invoiced"))),
                fields=("tenant",),
                name="top_up_one_open",
                violation_error_message="A top-up of this tenant is open already.",
            ),
        ),
    ]
