"""What the tests' pages show: months of use of a few tenants, billed and partly paid.

It is the past of the pictures, thinned out, and taken through the product's own steps
as its workers would take them.
"""

import datetime as dt

from inference.control.models import Pulse, Replica
from kit.orm.roles import as_operator
from metering.usage.selectors import database_now
from tests.pictures.business import settle
from tests.pictures.history import write

SHARE = 0.03
# As much less as there is less use.
HOURLY = "0.12"


def made() -> dt.datetime:
    """Make it in the database at hand and return as of when."""
    made = write("http://127.0.0.1:9", share=SHARE)
    settle(list(dict.fromkeys(tenant for tenant, _ in made)), hourly=HOURLY)
    with as_operator():
        _serve()
        return database_now()


def _serve() -> None:
    """Say of every replica that it is well, as a gateway does for as long as it runs.

    What it says is of tomorrow, so that it is not silent before the tests are over.
    """
    now = database_now() + dt.timedelta(days=1)
    Pulse.objects.create(
        gateway="gateway-1",
        at=now,
        started_at=now - dt.timedelta(days=9),
        body={
            "version": 1,
            "is_ready": True,
            "running": 0,
            "tenants": [],
            "waiting": {},
            "span_ms": 60_000,
            "counts": {},
            "replicas": {
                str(replica.pk): {
                    "is_up": True,
                    "breaker": 0,
                    "running": 0,
                    "foreign": 0,
                    "waiting": 0,
                    "filled_permille": 0,
                }
                for replica in Replica.objects.all()
            },
        },
    )
