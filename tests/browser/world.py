"""What the tests' pages show: weeks of use of a few tenants, billed and partly paid.

It is the past of the pictures, thinned out, and taken through the product's own steps
as its workers would take them.
"""

import datetime as dt

from kit.orm.roles import as_operator
from metering.billing import services as billing
from metering.ledger import services as ledger
from metering.usage.selectors import database_now
from metering.usage.services import roll_up
from tests.pictures.history import write

SHARE = 0.05


def made() -> dt.datetime:
    """Make it in the database at hand and return as of when."""
    tenants = write("http://127.0.0.1:9", share=SHARE)
    with as_operator():
        roll_up()
        now = database_now()
        ledger.post_days(now=now)
        last = now.date().replace(day=1) - dt.timedelta(days=1)
        for tenant, _ in tenants:
            closed = billing.close_period(tenant=tenant, date=last, now=now)
            if closed.invoice is not None:
                billing.issue_invoice(invoice=closed.invoice, now=now)
    return now
