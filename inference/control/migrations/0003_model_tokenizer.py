"""A served model may name a tokenizer, for engines that report no usage."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column; a default in the database keeps running writers working."""

    dependencies = [("control", "0002_rights")]
    operations = [
        migrations.AddField(
            model_name="servedmodel",
            name="tokenizer",
            field=models.CharField(
                blank=True,
                choices=[("cl100k_base", "cl100k_base"), ("o200k_base", "o200k_base")],
                db_default="",
                help_text="Counts tokens where an engine reports none; else leave it empty.",
                max_length=32,
            ),
        ),
    ]
