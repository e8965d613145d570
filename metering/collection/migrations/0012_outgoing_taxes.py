"""Sales of credit whose tax the provider computed, and what was taken back of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collection", "0011_outgoing_rules"),
    ]

    operations = [
        migrations.AlterField(
            model_name="outgoing",
            name="kind",
            field=models.CharField(
                choices=[
                    ("refund", "Refund"),
                    ("credit_note", "credit note"),
                    ("write_off", "write-off"),
                    ("paid_elsewhere", "paid elsewhere"),
                    ("tax_sale", "sale with computed tax"),
                    ("tax_reversal", "computed tax taken back"),
                ],
                max_length=16,
            ),
        ),
    ]
