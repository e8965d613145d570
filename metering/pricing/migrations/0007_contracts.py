"""A tenant may have prices of its own by contract; once signed, nothing changes them."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

from kit.orm.isolation import isolate, open_to_gateway

_IMMUTABLE = """
CREATE FUNCTION pricing_contract_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.signed_at IS NOT NULL AND (
        TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL
        OR to_jsonb(NEW) - 'ended_at' <> to_jsonb(OLD) - 'ended_at'
    ) THEN
        RAISE EXCEPTION 'a signed contract is immutable, but that it may end'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER signed_is_immutable BEFORE UPDATE OR DELETE ON pricing_contract
    FOR EACH ROW EXECUTE FUNCTION pricing_contract_guard();

CREATE FUNCTION pricing_contractprice_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched bigint[];
BEGIN
    touched := CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.contract_id]
        WHEN 'DELETE' THEN ARRAY[OLD.contract_id]
        ELSE ARRAY[OLD.contract_id, NEW.contract_id] END;
    PERFORM FROM pricing_contract
        WHERE id = ANY (touched) AND signed_at IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'prices of a signed contract are immutable'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER signed_is_immutable
    BEFORE INSERT OR UPDATE OR DELETE ON pricing_contractprice
    FOR EACH ROW EXECUTE FUNCTION pricing_contractprice_guard();
"""
_UNDO = """
DROP TRIGGER signed_is_immutable ON pricing_contractprice;
DROP FUNCTION pricing_contractprice_guard();
DROP TRIGGER signed_is_immutable ON pricing_contract;
DROP FUNCTION pricing_contract_guard();
"""

# An early end may lie before the beginning: the contract then holds at no time.
_APART = """
ALTER TABLE pricing_contract ADD CONSTRAINT pricing_contract_apart EXCLUDE USING gist (
    int8range(tenant_id, tenant_id, '[]') WITH &&,
    tstzrange(starts_at, greatest(starts_at, coalesce(ended_at, ends_at, 'infinity')))
        WITH &&
) WHERE (signed_at IS NOT NULL);
"""
_NOT_APART = "ALTER TABLE pricing_contract DROP CONSTRAINT pricing_contract_apart"


class Migration(migrations.Migration):
    """Add contracts, and the books that are derived for them."""

    dependencies = [("pricing", "0006_discounts"), ("tenants", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="Contract",
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
                ("name", models.CharField(max_length=80)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                (
                    "discount_percent",
                    models.DecimalField(
                        decimal_places=4,
                        default=Decimal("0"),
                        max_digits=7,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0")),
                            django.core.validators.MaxValueValidator(Decimal("100")),
                        ],
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                    ),
                ),
                ("signed_at", models.DateTimeField(editable=False, null=True)),
                (
                    "ended_at",
                    models.DateTimeField(
                        editable=False,
                        help_text="From when on it holds no more.",
                        null=True,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ContractPrice",
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
                    "model",
                    models.CharField(
                        help_text="The served model's public name.", max_length=128
                    ),
                ),
                ("input_picos", models.BigIntegerField(null=True)),
                ("cached_input_picos", models.BigIntegerField(null=True)),
                ("output_picos", models.BigIntegerField(null=True)),
                (
                    "discount_percent",
                    models.DecimalField(
                        decimal_places=4,
                        max_digits=7,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0")),
                            django.core.validators.MaxValueValidator(Decimal("100")),
                        ],
                    ),
                ),
            ],
            options={
                "ordering": ("contract_id", "model"),
            },
        ),
        migrations.AddField(
            model_name="pricebookversion",
            name="derived_from",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="derived",
                to="pricing.pricebookversion",
            ),
        ),
        migrations.AddField(
            model_name="contract",
            name="base",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="contracts",
                to="pricing.pricebook",
            ),
        ),
        migrations.AddField(
            model_name="contract",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="tenants.tenant"
            ),
        ),
        migrations.AddField(
            model_name="pricebook",
            name="derived_for",
            field=models.OneToOneField(
                editable=False,
                help_text="The contract whose prices it holds; no other book is derived.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="book",
                to="pricing.contract",
            ),
        ),
        migrations.AddConstraint(
            model_name="pricebook",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("derived_for", None), ("is_default", False), _connector="OR"
                ),
                name="price_book_of_contract_is_no_default",
            ),
        ),
        migrations.AddField(
            model_name="contractprice",
            name="contract",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="prices",
                to="pricing.contract",
            ),
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_at__isnull", True),
                    ("ends_at__gt", models.F("starts_at")),
                    _connector="OR",
                ),
                name="contract_has_length",
            ),
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(
                condition=models.Q(("discount_percent__range", (0, 100))),
                name="contract_discount_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="contractprice",
            constraint=models.UniqueConstraint(
                fields=("contract", "model"), name="contract_price_one_per_model"
            ),
        ),
        migrations.AddConstraint(
            model_name="contractprice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("cached_input_picos__isnull", False),
                        ("input_picos__isnull", False),
                        ("output_picos__isnull", False),
                        ("discount_percent__isnull", True),
                    ),
                    models.Q(
                        ("cached_input_picos__isnull", True),
                        ("input_picos__isnull", True),
                        ("output_picos__isnull", True),
                        ("discount_percent__range", (0, 100)),
                    ),
                    _connector="OR",
                ),
                name="contract_price_is_quoted_or_reduced",
            ),
        ),
        migrations.AddConstraint(
            model_name="contractprice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("cached_input_picos__isnull", True),
                        ("input_picos__isnull", True),
                        ("output_picos__isnull", True),
                    ),
                    models.Q(
                        ("cached_input_picos__gte", 0),
                        ("input_picos__gte", 0),
                        ("output_picos__gte", 0),
                    ),
                    _connector="OR",
                ),
                name="contract_price_not_negative",
            ),
        ),
        migrations.RunSQL(_IMMUTABLE, _UNDO),
        migrations.RunSQL(_APART, _NOT_APART),
        isolate("pricing_contract"),
        open_to_gateway(
            "pricing_contract",
            privileges="SELECT (id, tenant_id, starts_at, ends_at, signed_at, ended_at)",
        ),
    ]
