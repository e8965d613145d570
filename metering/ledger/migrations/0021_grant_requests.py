"""Credit above a limit: asked for by one person, decided by another."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kit.orm.fields

# Operators alone: no right for tenants, and were one ever given, no row.
_THEIRS_ALONE = migrations.RunSQL(
    """
    ALTER TABLE ledger_grantrequest ENABLE ROW LEVEL SECURITY;
    CREATE POLICY operator_all ON ledger_grantrequest TO tollgate_operator
        USING (true) WITH CHECK (true);
    REVOKE DELETE ON ledger_grantrequest FROM tollgate_operator;
    """,
    """
    DROP POLICY operator_all ON ledger_grantrequest;
    ALTER TABLE ledger_grantrequest DISABLE ROW LEVEL SECURITY;
    """,
)


class Migration(migrations.Migration):
    """Make the table; tenants have no right to it."""

    dependencies = [
        ("ledger", "0020_expiry_charged_back"),
    ]

    operations = [
        migrations.CreateModel(
            name="GrantRequest",
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
                    "source",
                    models.CharField(
                        choices=[
                            ("top_up", "top-up (paid for)"),
                            ("promotional", "Promotional"),
                            ("adjustment", "Adjustment"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "amount_picos",
                    kit.orm.fields.PicosField(
                        validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        default=100,
                        help_text="The lowest burns first.",
                        validators=[django.core.validators.MaxValueValidator(1000)],
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When what is left is gone; empty for never.",
                        null=True,
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        help_text="What it is for, such as a payment: granted once under one.",
                        max_length=200,
                        validators=[
                            django.core.validators.ProhibitNullCharactersValidator()
                        ],
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                        ],
                        default="waiting",
                        editable=False,
                        max_length=8,
                    ),
                ),
                ("asked_by_id", models.BigIntegerField(editable=False)),
                (
                    "asked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                ("decided_by_id", models.BigIntegerField(editable=False, null=True)),
                ("decided_at", models.DateTimeField(editable=False, null=True)),
                (
                    "grant",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="ledger.creditgrant",
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
                "permissions": (
                    ("approve_grantrequest", "Can approve credit above the limit"),
                ),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "waiting")),
                        fields=("tenant_id", "reference"),
                        name="grant_request_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("asked_by_id", models.F("decided_by_id")), _negated=True
                        ),
                        name="grant_request_by_two",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at", None),
                                ("decided_by_id", None),
                                ("grant", None),
                                ("state", "waiting"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by_id__isnull", False),
                                ("grant__isnull", False),
                                ("state", "approved"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by_id__isnull", False),
                                ("grant", None),
                                ("state", "declined"),
                            ),
                            _connector="OR",
                        ),
                        name="grant_request_decided_whole",
                    ),
                ],
            },
        ),
        _THEIRS_ALONE,
    ]
