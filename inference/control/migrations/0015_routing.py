"""How models are routed and waited for, and how much each replica is given."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns; what they hold by default changes nothing."""

    dependencies = [
        ("control", "0014_own_tokenizers"),
    ]

    operations = [
        migrations.AddField(
            model_name="replica",
            name="canary",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Whether it serves the model's canary share.",
            ),
        ),
        migrations.AddField(
            model_name="replica",
            name="slots",
            field=models.PositiveIntegerField(
                db_default=256,
                default=256,
                help_text="How many requests it is given at a time, by all gateways together: what the engine runs at once, such as vLLM's --max-num-seqs.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(65536),
                ],
            ),
        ),
        migrations.AddField(
            model_name="replica",
            name="weight",
            field=models.PositiveSmallIntegerField(
                db_default=100,
                default=100,
                help_text="Its share of the work beside the model's other replicas.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="canary_permille",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How much is served by its canary replicas, of a thousand.",
                validators=[django.core.validators.MaxValueValidator(1000)],
                verbose_name="canary share",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="policy",
            field=models.CharField(
                choices=[
                    ("round_robin", "Round robin: in turn, by weight"),
                    ("least_loaded", "Least loaded: where least runs"),
                    (
                        "prefix_aware",
                        "Prefix-aware: where the prompt was computed before",
                    ),
                ],
                db_default="prefix_aware",
                default="prefix_aware",
                help_text="How a request's replica is chosen among those that can take it.",
                max_length=16,
                verbose_name="routing policy",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="queue_max",
            field=models.PositiveIntegerField(
                db_default=1000,
                default=1000,
                help_text="How many requests wait for a place, in each gateway process.",
                validators=[django.core.validators.MaxValueValidator(100000)],
                verbose_name="waiting at most",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="queue_ms",
            field=models.PositiveIntegerField(
                db_default=30000,
                default=30000,
                help_text="How long each waits at most for a place, in milliseconds.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(600000),
                ],
                verbose_name="waiting time",
            ),
        ),
        migrations.AddField(
            model_name="servedmodel",
            name="wake_ms",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="How long each waits, in milliseconds, for a replica to come up where none is; 0: not at all.",
                validators=[django.core.validators.MaxValueValidator(3600000)],
                verbose_name="waking time",
            ),
        ),
    ]
