"""What an export is asked to hold, checked before a row of it is read. Pure.

Failure: what cannot be exported raises `InvalidRequest`, which names the parameter.
"""

import datetime as dt
from dataclasses import dataclass

from kit.errors import InvalidRequest
from metering.exports.models import Form, Subject

DAYS_MAX = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subject in a form, of half-open dates, of one tenant or of all.

    Dates are billing days of the tenant, those of UTC where the ledger of several is
    wanted. Invoices are those that were issued on these dates.
    """

    subject: Subject
    form: Form
    first_date: dt.date
    end_date: dt.date
    tenant_id: int | None = None

    def __post_init__(self) -> None:
        if self.end_date <= self.first_date:
            raise InvalidRequest(
                "The end date must lie after the first date: it is the first date that "
                "is not in the file.",
                param="end_date",
            )
        if (self.end_date - self.first_date).days > DAYS_MAX:
            raise InvalidRequest(
                f"A file holds at most {DAYS_MAX} days: ask for several.",
                param="end_date",
            )
