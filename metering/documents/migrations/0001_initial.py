"""The table of documents."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Make the table."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Document",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invoice", "Invoice"),
                            ("credit_note", "Credit Note"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(
                        help_text="Of the invoice, or of the credit note."
                    ),
                ),
                ("number", models.CharField(max_length=40)),
                ("html", models.BinaryField()),
                ("html_sha256", models.CharField(max_length=64)),
                ("pdf", models.BinaryField()),
                ("pdf_sha256", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "subject_id"), name="document_made_once"
                    )
                ],
            },
        ),
    ]
