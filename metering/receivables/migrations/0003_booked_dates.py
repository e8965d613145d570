"""Say of each fact which of the tenant's days the books have it on.

What is there already takes the day that it would be booked on now, once, past the guard
that keeps facts as they are.
"""

from django.db import migrations, models

_FIELD = models.DateField(
    editable=False,
    help_text="The day of the tenant's that the books have it on.",
    null=True,
)
_FACTS = {
    "receivables_payment": """
        SELECT booked.occurred_at FROM ledger_transaction booked
        WHERE booked.tenant_id = fact.tenant_id AND booked.kind = 'payment'
            AND booked.source = 'payment ' || fact.id
    """,
    "receivables_refund": "fact.refunded_at",
    "receivables_creditnote": "fact.issued_at",
    "receivables_writeoff": "fact.written_off_at",
}
_DATE = "".join(
    f"""
    ALTER TABLE {table} DISABLE TRIGGER append_only;
    UPDATE {table} fact SET booked_date = ledger_book_date(fact.tenant_id, ({at}));
    ALTER TABLE {table} ENABLE TRIGGER append_only;
"""  # noqa: S608 - put together from the constants above
    for table, at in _FACTS.items()
)


class Migration(migrations.Migration):
    """Add the day, and fill it."""

    dependencies = [
        ("receivables", "0002_receivables_rules"),
        ("ledger", "0013_months_follow"),
    ]
    operations = [
        *(
            migrations.AddField(model, "booked_date", _FIELD)
            for model in ("creditnote", "payment", "refund", "writeoff")
        ),
        migrations.RunSQL(_DATE, migrations.RunSQL.noop),
    ]
