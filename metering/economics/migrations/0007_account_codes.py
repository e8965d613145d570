"""What accounts are called in an ERP's chart of accounts."""

import django.core.validators
from django.db import migrations, models

_ACCOUNTS = [
    ("accrued", "accrued (used, not yet invoiced)"),
    ("receivable", "Receivable"),
    ("revenue", "Revenue"),
    ("rounding", "Rounding"),
    ("cash", "Cash"),
    ("wallet", "wallet (credit not yet burned)"),
    ("promotional_credit", "promotional credit (not yet burned)"),
    ("discounts", "Discounts"),
    ("breakage", "breakage (paid for and expired)"),
    ("tax", "tax (owed to the authority)"),
    ("deferred_revenue", "deferred revenue (charged in advance)"),
    ("bad_debt", "bad debt (written off)"),
]


class Migration(migrations.Migration):
    """Create the table, which tenants do not read."""

    dependencies = [("economics", "0006_locked_figures"), ("config", "0001_roles")]
    operations = [
        migrations.CreateModel(
            name="AccountCode",
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
                (
                    "account",
                    models.CharField(choices=_ACCOUNTS, max_length=24, unique=True),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="As the other books have it, such as 1400.",
                        max_length=40,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        help_text="What it is called there; empty for our name.",
                        max_length=200,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
            ],
            options={"ordering": ("account",)},
        ),
        migrations.RunSQL(
            "REVOKE ALL ON economics_accountcode FROM tollgate_app",
            migrations.RunSQL.noop,
        ),
    ]
