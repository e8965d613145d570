"""Jobs: long work, what was asked for and how far it is."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Job",
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
                ("kind", models.CharField(max_length=60)),
                (
                    "subject",
                    models.CharField(help_text="What it is about.", max_length=200),
                ),
                ("title", models.CharField(max_length=200)),
                ("tenant_id", models.BigIntegerField(blank=True, null=True)),
                ("asked", models.JSONField(blank=True, default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("failed", "Failed"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                ("place", models.JSONField(blank=True, default=dict)),
                ("done", models.BigIntegerField(default=0)),
                ("whole", models.BigIntegerField(blank=True, null=True)),
                ("outcome", models.JSONField(blank=True, default=dict)),
                ("problem", models.CharField(blank=True, max_length=500)),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                ("actor_kind", models.CharField(max_length=20)),
                ("actor_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                ("began_at", models.DateTimeField(blank=True, null=True)),
                ("began_with", models.BigIntegerField(default=0)),
                ("stepped_at", models.DateTimeField(blank=True, null=True)),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ("waiting", "running"))),
                        fields=["id"],
                        name="job_to_be_done",
                    ),
                    models.Index(
                        fields=["kind", "subject", "-id"], name="job_of_a_subject"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("waiting", "running"))),
                        fields=("kind", "subject"),
                        name="job_one_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("done__gte", 0),
                            models.Q(
                                ("whole__isnull", True),
                                ("whole__gte", 0),
                                _connector="OR",
                            ),
                        ),
                        name="job_counts_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at__isnull", True),
                                ("state__in", ("waiting", "running")),
                            ),
                            models.Q(
                                models.Q(
                                    ("state__in", ("waiting", "running")), _negated=True
                                ),
                                ("finished_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="job_ends_when_it_ends",
                    ),
                ],
            },
        ),
    ]
