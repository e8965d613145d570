"""Exports for tests, made as the product makes them."""

import datetime as dt

from kit.orm.roles import as_operator
from metering.exports import services
from metering.exports.models import Export, Form, Subject
from metering.usage.selectors import database_now
from tenants.models import Tenant

FIRST = dt.date(2026, 9, 1)
END = dt.date(2026, 10, 1)


def make_export(
    *,
    tenant: Tenant | None = None,
    subject: Subject = Subject.USAGE,
    form: Form = Form.CSV,
) -> Export:
    """Ask for the file of a month and make it."""
    with as_operator():
        row = services.ask_for_export(
            tenant=tenant, subject=subject, form=form, first_date=FIRST, end_date=END
        )
        services.make_exports(now=database_now())
        row.refresh_from_db()
        return row
