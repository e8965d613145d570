"""A migration operation that keeps spans of one owner from overlapping.

The database says no, whoever writes and however many at once. A span without an end has
no end; both kinds are half-open, so one may begin where another ends.
"""

from django.db.migrations.operations import RunSQL

INSTANTS = "tstzrange"
DATES = "daterange"


def apart(
    table: str,
    *,
    starts: str,
    ends: str,
    owner: str = "tenant_id",
    kind: str = INSTANTS,
) -> RunSQL:
    """Refuse a row whose span, `starts` to `ends`, overlaps another of its `owner`.

    The constraint is called `<table>_apart`. An empty span overlaps nothing: hold that
    `ends` lies behind `starts` by a check. The owner is a bigint.
    """
    # As a range of one number an owner needs no extension to be told from others.
    return RunSQL(
        sql=f"""
            ALTER TABLE {table} ADD CONSTRAINT {table}_apart EXCLUDE USING gist (
                int8range({owner}, {owner}, '[]') WITH &&,
                {kind}({starts}, {ends}) WITH &&
            )
        """,
        reverse_sql=f"ALTER TABLE {table} DROP CONSTRAINT {table}_apart",
    )
