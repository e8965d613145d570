"""Number day postings, so that all of a tenant's up to one can be named by it.

What was posted before is numbered as it lies in the table, which nothing depends on:
it was claimed row by row.
"""

from django.db import migrations, models

_SEQUENCE = "CREATE SEQUENCE ledger_dayposting_id_seq"
_OWNED = "ALTER SEQUENCE ledger_dayposting_id_seq OWNED BY ledger_dayposting.id"


class Migration(migrations.Migration):
    """Add the number; rows that are there get theirs as the table is written anew.

    That is no update, which the table's trigger would refuse.
    """

    dependencies = [("ledger", "0006_credit_in_use")]
    operations = [
        migrations.RunSQL(
            _SEQUENCE, "DROP SEQUENCE IF EXISTS ledger_dayposting_id_seq"
        ),
        migrations.AddField(
            model_name="dayposting",
            name="id",
            field=models.BigIntegerField(
                db_default=models.Func(
                    models.Value("ledger_dayposting_id_seq"), function="nextval"
                ),
                editable=False,
            ),
        ),
        migrations.RunSQL(_OWNED, migrations.RunSQL.noop),
    ]
