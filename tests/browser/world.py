"""What the tests' pages show: months of use of a few tenants, billed and partly paid.

It is the past of the pictures, thinned out, and taken through the product's own steps
as its workers would take them.
"""

import datetime as dt

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
    settle([tenant for tenant, _ in made], hourly=HOURLY)
    with as_operator():
        return database_now()
