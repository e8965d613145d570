"""A served model may be retired at an instant, and name what to call instead."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns; a model without them is served as before."""

    dependencies = [("control", "0020_refusals")]

    operations = [
        migrations.AddField(
            model_name="servedmodel",
            name="retires_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="From when on its calls are refused.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="successor",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                help_text="What callers are told to call instead.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="succeeds",
                to="control.servedmodel",
            ),
        ),
    ]
