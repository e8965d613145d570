"""Links to the provider's page for customers."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("collection", "0007_compared"),
        ("tenants", "0017_suspended_for"),
    ]

    operations = [
        migrations.CreateModel(
            name="PortalLink",
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
                ("public_id", models.UUIDField(editable=False, unique=True)),
                ("account", models.CharField(max_length=40)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Asked"),
                            ("ready", "Ready"),
                            ("failed", "Failed"),
                        ],
                        default="asked",
                        max_length=8,
                    ),
                ),
                ("url", models.CharField(blank=True, default="", max_length=2000)),
                ("problem", models.CharField(blank=True, default="", max_length=300)),
                ("asked_at", models.DateTimeField()),
                ("try_at", models.DateTimeField()),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="tenants.tenant",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "asked")),
                        fields=["try_at"],
                        name="portal_link_to_make",
                    )
                ],
            },
        ),
    ]
