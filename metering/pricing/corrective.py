"""Write the price that usage is rated anew by, sealed from the start.

What was published stays as it is, mistyped or not: a corrected price is a row of its
own, in a version of the same book that is never in force. So an event that is rated
anew names the price that it is charged by, like any other. Failure: a quote that is no
price raises `InvalidRequest` and writes nothing.
"""

import datetime as dt
from dataclasses import dataclass

from kit.contracts import LinearPrice
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.pricing.models import PriceBook
from metering.pricing.selectors import linear
from metering.pricing.services import new_version, set_price


@dataclass(frozen=True, slots=True)
class Quote:
    """What a million tokens of each class cost, as plain decimals."""

    input_per_million: str
    cached_input_per_million: str
    output_per_million: str


def corrective_price(
    *, book: PriceBook, model: str, quote: Quote, effective_at: dt.datetime
) -> LinearPrice:
    """Write a corrected price of a model; `effective_at` says of what time on.

    Raises `InvalidRequest` for a quote that makes no whole picos of a token.
    """
    with atomic():
        version = new_version(book=book, effective_at=effective_at)
        price = set_price(
            version=version,
            model=model,
            input_per_million=quote.input_per_million,
            cached_input_per_million=quote.cached_input_per_million,
            output_per_million=quote.output_per_million,
        )
        version.is_corrective = True
        version.save(update_fields=["is_corrective"])
        tell(
            version,
            action="seal",
            before={"is_corrective": False},
            after={"is_corrective": True},
        )
        return linear(price)
