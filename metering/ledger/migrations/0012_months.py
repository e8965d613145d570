"""Sums of months, so that books of any age are read at once."""

import django.db.models.deletion
from django.db import migrations, models

import kit.orm.fields

_CLASSES = [
    (0, "requests"),
    (1, "input"),
    (2, "cached_input"),
    (3, "output"),
    (4, "reasoning"),
]
_KINDS = [
    ("usage", "Usage"),
    ("invoice", "Invoice"),
    ("payment", "Payment"),
    ("credit", "credit granted"),
    ("credit_expiry", "credit expired"),
    ("credit_reversal", "credit reversed"),
    ("burn", "credit burned"),
    ("fee", "Fee"),
    ("tax", "Tax"),
    ("credit_note", "Credit Note"),
    ("refund", "Refund"),
    ("write_off", "Write Off"),
]


class Migration(migrations.Migration):
    """Create the tables of what moved and of use that is posted, by month."""

    dependencies = [("ledger", "0011_burns_to_book")]
    operations = [
        migrations.CreateModel(
            name="PostedUse",
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
                ("tenant_id", models.BigIntegerField()),
                ("month", models.DateField(help_text="Its first day.")),
                ("price_id", models.BigIntegerField()),
                ("token_class", models.SmallIntegerField(choices=_CLASSES)),
                ("quantity", models.BigIntegerField()),
                ("charge_picos", kit.orm.fields.PicosField()),
                ("is_part", models.BooleanField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["month"], name="posted_use_by_month"),
                    models.Index(
                        condition=models.Q(("is_part", True)),
                        fields=["id"],
                        name="posted_use_to_merge",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_part", False)),
                        fields=("tenant_id", "price_id", "token_class", "month"),
                        name="posted_use_merged_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Movement",
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
                ("tenant_id", models.BigIntegerField()),
                ("month", models.DateField(help_text="Its first day.")),
                ("kind", models.CharField(choices=_KINDS, max_length=16)),
                ("debited_picos", kit.orm.fields.PicosField()),
                ("credited_picos", kit.orm.fields.PicosField()),
                ("is_part", models.BooleanField()),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.account",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["month"], name="movement_by_month"),
                    models.Index(
                        condition=models.Q(("is_part", True)),
                        fields=["id"],
                        name="movement_to_merge",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("is_part", False)),
                        fields=("tenant_id", "account", "kind", "month"),
                        name="movement_merged_once",
                    )
                ],
            },
        ),
    ]
