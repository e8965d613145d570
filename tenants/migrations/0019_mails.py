"""Mail as it went, and the addresses that bills go to once they were confirmed."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from kit.orm.isolation import grant, isolate

# No right, and were one ever given, no row: the log of mail is the operators'.
_THEIRS_ALONE = migrations.RunSQL(
    """
    ALTER TABLE tenants_mail ENABLE ROW LEVEL SECURITY;
    CREATE POLICY operator_all ON tenants_mail TO tollgate_operator
        USING (true) WITH CHECK (true);
    """,
    """
    DROP POLICY operator_all ON tenants_mail;
    ALTER TABLE tenants_mail DISABLE ROW LEVEL SECURITY;
    """,
)


_ASKED_FIRST = migrations.RunSQL(
    """
    CREATE POLICY app_asks_first ON tenants_billingaddress AS RESTRICTIVE
        FOR INSERT TO tollgate_app WITH CHECK (confirmed_at IS NULL);
    """,
    "DROP POLICY app_asks_first ON tenants_billingaddress;",
)


class Migration(migrations.Migration):
    """Make both; a tenant names its own addresses, and does not confirm them."""

    dependencies = [
        ("tenants", "0018_notes"),
        ("config", "0001_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="BillingAddress",
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
                ("email", models.EmailField(blank=True, max_length=254)),
                ("asked", models.PositiveSmallIntegerField(db_default=1, default=1)),
                ("asked_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(editable=False, null=True)),
                ("removed_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
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
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("confirmed_at", None), ("removed_at", None)
                        ),
                        fields=["asked_at"],
                        name="billing_address_to_confirm",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(
                            ("removed_at", None), models.Q(("email", ""), _negated=True)
                        ),
                        fields=("tenant", "email"),
                        name="billing_address_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Mail",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invitation", "Invitation"),
                            ("address", "confirm a billing address"),
                            ("alert", "Alert"),
                            ("invoice", "invoice issued"),
                            ("payment", "payment received"),
                            ("dunning", "unpaid invoice"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(help_text="The row that it tells of."),
                ),
                ("number", models.PositiveIntegerField(db_default=0, default=0)),
                ("title", models.CharField(blank=True, default="", max_length=300)),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.EmailField(max_length=254),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("no_reader", "nobody to send it to"),
                        ],
                        default="waiting",
                        max_length=12,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("due_at", models.DateTimeField(null=True)),
                ("problem", models.CharField(blank=True, default="", max_length=100)),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
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
                        condition=models.Q(("state", "waiting")),
                        fields=["due_at"],
                        name="mail_to_send",
                    ),
                    models.Index(fields=["tenant", "-id"], name="mail_of_tenant"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("kind", "subject_id", "number"), name="mail_once"
                    )
                ],
            },
        ),
        _THEIRS_ALONE,
        isolate("tenants_billingaddress", app="SELECT, INSERT"),
        grant(
            "tenants_billingaddress",
            to="tollgate_app",
            privileges="UPDATE (asked, asked_at, removed_at)",
        ),
        _ASKED_FIRST,
    ]
