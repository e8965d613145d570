"""What was overpaid at the provider comes to our side."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collection", "0012_outgoing_taxes"),
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
                    ("overpaid", "overpaid there, credit here"),
                    ("tax_reversal", "computed tax taken back"),
                ],
                max_length=16,
            ),
        ),
    ]
