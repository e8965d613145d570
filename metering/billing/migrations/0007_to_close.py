"""Find the periods to be closed without reading all; texts are empty at first."""

import django.core.validators
from django.db import migrations, models

from kit.orm.indexes import AddIndexRepeatably


class Migration(migrations.Migration):
    """Add the index, while others work."""

    atomic = False

    dependencies = [
        ("billing", "0006_paper_and_marks"),
    ]

    operations = [
        migrations.AlterField(
            model_name="billingprofile",
            name="country",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=2,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[A-Z]{2}$", "Use an ISO 3166 code such as DE."
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="key",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=200
            ),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="model",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=128
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="address",
            field=models.TextField(
                blank=True, db_default="", default="", max_length=500
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="bank_details",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="How to pay by transfer.",
                max_length=500,
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="country",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=2,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[A-Z]{2}$", "Use an ISO 3166 code such as DE."
                    )
                ],
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="email",
            field=models.EmailField(
                blank=True, db_default="", default="", max_length=254
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="footer",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="Printed on each page.",
                max_length=500,
            ),
        ),
        migrations.AlterField(
            model_name="seller",
            name="tax_id",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=40
            ),
        ),
        AddIndexRepeatably(
            model_name="period",
            index=models.Index(
                condition=models.Q(("state", "open")),
                fields=["first_date", "tenant"],
                name="period_to_close",
            ),
        ),
    ]
