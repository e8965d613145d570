"""Tell the gateways that prices, or who pays by which, have changed.

By NOTIFY inside the writing transaction, so that they never hear of what was rolled
back; whoever misses it polls.
"""

from kit.orm.atomic import cursor

CHANNEL = "tollgate_prices"


def announce(payload: str) -> None:
    """Tell the gateways once this transaction is committed; `payload` is for people."""
    with cursor() as session:
        session.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
