"""What a served model makes of requests, whose replicas serve it, how long is kept."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import inference.control.models


class Migration(migrations.Migration):
    """Add the columns; what they hold by default changes nothing."""

    dependencies = [("control", "0010_dialects")]
    operations = [
        migrations.AddField(
            model_name="servedmodel",
            name="base",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text=(
                    "For a LoRA adapter: the model whose replicas serve it, as long as"
                    " it has none of its own."
                ),
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="adapters",
                to="control.servedmodel",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="adapter",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text=(
                    "The engines' own name of the adapter; empty when it is the same."
                ),
                max_length=128,
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="defaults",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text=(
                    "What holds where a request says nothing, such as"
                    ' {"temperature": 0.6}.'
                ),
                validators=[inference.control.models.sampling_defaults],
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="choices_max",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="The most answers that one request may ask for by 'n'.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(16),
                ],
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="allows_tools",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Whether requests may offer tools to the model.",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="cache_s",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text=(
                    "How long an answer is kept for the same tenant's same request; 0:"
                    " not at all. Only under a price for the model's name with @cache"
                    " behind it."
                ),
                validators=[django.core.validators.MaxValueValidator(604800)],
                verbose_name="cache seconds",
            ),
        ),
    ]
