"""What burned of credit as the ledger was told it, and which bill shows it."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import kit.orm.fields


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0008_posting_order_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="CreditBurn",
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
                ("amount_picos", kit.orm.fields.PicosField()),
            ],
        ),
        migrations.CreateModel(
            name="CreditDraw",
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
                ("source", models.CharField(max_length=200)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("amount_picos", kit.orm.fields.PicosField()),
            ],
        ),
        migrations.AddField(
            model_name="creditgrant",
            name="booked_picos",
            field=kit.orm.fields.PicosField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="creditgrant",
            name="for_models",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=200),
                blank=True,
                db_default=[],
                default=list,
                help_text="The served models that it pays for; none for all.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="account",
            name="kind",
            field=models.CharField(
                choices=[
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
                ],
                max_length=24,
            ),
        ),
        migrations.AlterField(
            model_name="transaction",
            name="kind",
            field=models.CharField(
                choices=[
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
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="creditgrant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("booked_picos__gte", 0),
                    ("amount_picos__gte", models.F("booked_picos")),
                ),
                name="credit_grant_books_its_own",
            ),
        ),
        migrations.AddField(
            model_name="creditburn",
            name="grant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="burns",
                to="ledger.creditgrant",
            ),
        ),
        migrations.AddField(
            model_name="creditburn",
            name="transaction",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="credit_burns",
                to="ledger.transaction",
            ),
        ),
        migrations.AddField(
            model_name="creditdraw",
            name="grant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="draws",
                to="ledger.creditgrant",
            ),
        ),
        migrations.AddIndex(
            model_name="creditburn",
            index=models.Index(fields=["tenant_id", "id"], name="credit_burn_order"),
        ),
        migrations.AddConstraint(
            model_name="creditburn",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_picos", 0), _negated=True),
                name="credit_burn_moves_something",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditdraw",
            constraint=models.UniqueConstraint(
                fields=("tenant_id", "source", "grant", "model"),
                name="credit_draw_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="creditdraw",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_picos", 0), _negated=True),
                name="credit_draw_moves_something",
            ),
        ),
    ]
