"""What tenants can pay with, and what a purchase is paid with."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collection", "0004_following_rules"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.AddField(
            model_name="purchase",
            name="method",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="What it is paid with, where no person chooses.",
                max_length=255,
            ),
        ),
        migrations.CreateModel(
            name="PaymentMethod",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("account", models.CharField(max_length=40)),
                ("reference", models.CharField(max_length=100)),
                (
                    "kind",
                    models.CharField(
                        help_text="Such as card or sepa_debit.", max_length=40
                    ),
                ),
                ("brand", models.CharField(blank=True, max_length=100)),
                ("last4", models.CharField(blank=True, max_length=4)),
                ("exp_month", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("exp_year", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("is_default", models.BooleanField(default=False)),
                ("read_at", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-is_default", "-id"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "reference"), name="payment_method_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)),
                        fields=("tenant", "account"),
                        name="payment_method_one_default",
                    ),
                ],
            },
        ),
    ]
