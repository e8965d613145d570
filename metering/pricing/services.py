"""Writes of prices: draft a version of a book, set its prices, publish it for good.

What was published never changes: a new price is a new version. Failure: a refused
change raises `Conflict` or `InvalidRequest` and writes nothing.
"""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import asdict
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import Max

from kit.errors import Conflict, InvalidRequest
from kit.money import PICOS_PER_UNIT, PriceFormatError, picos_less, picos_per_token
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from metering.pricing.announcing import announce
from metering.pricing.deriving import derive_for_contracts
from metering.pricing.discounting import (
    MODEL_CHARS_MAX,
    follow,
    listed_in,
    locked_draft,
)
from metering.pricing.instants import TOLERANCE, require_aware, shown
from metering.pricing.models import DISCOUNTS, Price, PriceBook, PriceBookVersion
from metering.pricing.selectors import last_published

# No version can be published before the last one: a mistyped year would fix the prices
# of a book until then.
PUBLISH_AHEAD_MAX = dt.timedelta(days=366)
# A request of a million tokens still fits the BIGINT of its charge.
TOKEN_PICOS_MAX = 5 * PICOS_PER_UNIT


def create_price_book(
    *, name: str, currency: str, is_default: bool = False
) -> PriceBook:
    """Create an empty price book.

    Raises `InvalidRequest` for a malformed name or currency and `Conflict` when the
    name is taken or the currency already has a default book.
    """
    if not name.strip() or len(name) > 100:
        raise InvalidRequest("Give a name of 1 to 100 characters.", param="name")
    if not re.fullmatch("[A-Z]{3}", currency):
        raise InvalidRequest("Use an ISO 4217 code such as USD.", param="currency")
    try:
        with atomic():
            book = PriceBook.objects.create(
                name=name, currency=currency, is_default=is_default
            )
            tell(book, action="create", after=values(book))
            return book
    except IntegrityError as error:
        if "price_book_one_default" in str(error):
            message = f"{currency} already has a default price book."
            raise Conflict(message, param="is_default") from None
        message = f"There already is a price book named '{name}'."
        raise Conflict(message, param="name") from None


def draft_version(
    *,
    book: PriceBook,
    effective_at: dt.datetime,
    copy_from: PriceBookVersion | None = None,
) -> PriceBookVersion:
    """Draft the next version of a book, with the prices of another one if given.

    Raises `Conflict` for a contract's book: its versions follow those of its base.
    """
    if book.derived_for_id is not None:
        raise Conflict(f"{book} holds the prices of a contract, which follow its base.")
    return new_version(book=book, effective_at=effective_at, copy_from=copy_from)


def new_version(
    *,
    book: PriceBook,
    effective_at: dt.datetime,
    copy_from: PriceBookVersion | None = None,
) -> PriceBookVersion:
    """Draft the next version of any book, with the prices of another one if given."""
    require_aware(effective_at, param="effective_at")
    if copy_from is not None and copy_from.book_id != book.pk:
        raise InvalidRequest(
            "Prices are copied from a version of the same book.", param="copy_from"
        )
    with atomic():
        _lock(book)
        newest = book.versions.aggregate(number=Max("number"))["number"] or 0
        discounts = {name: getattr(copy_from, name, None) for name in DISCOUNTS}
        version = PriceBookVersion.objects.create(
            book=book, number=newest + 1, effective_at=effective_at, **discounts
        )
        if copy_from is not None:
            Price.objects.bulk_create(
                Price(version=version, **asdict(each))
                for each in listed_in(copy_from.prices.all())
            )
        copied = {"copy_from_id": copy_from and copy_from.pk}
        tell(version, action="draft", after={**values(version), **copied})
        return version


def reschedule_version(
    *, version: PriceBookVersion, effective_at: dt.datetime
) -> PriceBookVersion:
    """Let a draft begin at another instant."""
    require_aware(effective_at, param="effective_at")
    with atomic():
        draft = locked_draft(version)
        before = {"effective_at": draft.effective_at}
        draft.effective_at = effective_at
        draft.save(update_fields=["effective_at"])
        after = {"effective_at": draft.effective_at}
        tell(draft, action="reschedule", before=before, after=after)
        return draft


def set_price(
    *,
    version: PriceBookVersion,
    model: str,
    input_per_million: str | Decimal,
    output_per_million: str | Decimal,
    cached_input_per_million: str | Decimal | None = None,
) -> Price:
    """Set what a served model costs in a draft, quoted per million tokens.

    Without a quote for cached input it follows from the version's discount. Raises
    `InvalidRequest` for a quote that is no plain decimal of at most six places or is
    missing, and `Conflict` once the version is published. Setting it again replaces it.
    """
    if not 1 <= len(model) <= MODEL_CHARS_MAX:
        raise InvalidRequest("Name the served model.", param="model")
    with atomic():
        draft = locked_draft(version)
        uncached = quoted_picos("input_per_million", input_per_million)
        cached = _cached_picos(draft, uncached, cached_input_per_million)
        before = _quoted(draft).get(model)
        price, _ = Price.objects.update_or_create(
            version=draft,
            model=model,
            defaults={
                "input_picos": uncached,
                "cached_input_picos": cached,
                "output_picos": quoted_picos("output_per_million", output_per_million),
                "cached_follows": cached_input_per_million is None,
                "follows": False,
            },
        )
        follow(draft)
        after = _quoted(draft)[model]
        if after != before:
            tell(
                draft,
                action="set_price",
                before={model: before} if before else {},
                after={model: after},
            )
        return price


def remove_price(*, version: PriceBookVersion, model: str) -> None:
    """Take a served model's price out of a draft; without it nothing happens."""
    with atomic():
        draft = locked_draft(version)
        before = _quoted(draft).get(model)
        if before is not None:
            draft.prices.filter(model=model).delete()
            follow(draft)
            tell(draft, action="remove_price", before={model: before})


def publish_version(
    *, version: PriceBookVersion, now: dt.datetime, drop: Collection[str] = ()
) -> PriceBookVersion:
    """Publish a draft, for good, and tell the gateways.

    `drop` names the models that were listed before and shall have no price any more:
    leaving one out by mistake would close it to every caller. Publishing twice changes
    nothing. Raises `Conflict` or `InvalidRequest` saying what is missing.
    """
    with atomic():
        _lock(version.book)
        fresh = PriceBookVersion.objects.select_for_update().get(pk=version.pk)
        if fresh.published_at is not None:
            return fresh
        if fresh.is_corrective:
            raise Conflict(f"{fresh} corrects what was used, and is never in force.")
        follow(fresh)
        listed = set(fresh.prices.values_list("model", flat=True))
        if not listed:
            raise Conflict(f"{fresh} has no prices yet.")
        _require_in_time(fresh, now)
        _require_complete(fresh, listed, set(drop))
        fresh.published_at = now
        fresh.save(update_fields=["published_at"])
        derived = derive_for_contracts(fresh, now=now)
        tell(
            fresh,
            action="publish",
            after={
                "published_at": now,
                "effective_at": fresh.effective_at,
                "prices": _quoted(fresh),
                "dropped": sorted(drop),
                "contracts": derived,
            },
        )
        announce(f"version {fresh.pk}")
        return fresh


def _quoted(version: PriceBookVersion) -> dict[str, dict[str, int]]:
    """Return the prices of a version as the audit tells them, by model."""
    classes = ("input_picos", "cached_input_picos", "output_picos")
    return {
        row["model"]: {name: row[name] for name in classes}
        for row in version.prices.values("model", *classes)
    }


def _cached_picos(
    draft: PriceBookVersion, input_picos: int, quote: str | Decimal | None
) -> int:
    """Return the cached price: as quoted, or as the draft's discount makes it."""
    if quote is not None:
        return quoted_picos("cached_input_per_million", quote)
    if draft.cached_input_discount_percent is None:
        raise InvalidRequest(
            "Quote a cached price: the version has no discount that it could follow.",
            param="cached_input_per_million",
        )
    return picos_less(input_picos, draft.cached_input_discount_percent)


def quoted_picos(param: str, quote: str | Decimal) -> int:
    """Return what one token costs by a quote per million; raises `InvalidRequest`."""
    try:
        picos = picos_per_token(quote)
    except PriceFormatError as error:
        raise InvalidRequest(f"{error}.", param=param) from None
    if picos > TOKEN_PICOS_MAX:
        raise InvalidRequest(
            "A price may be at most 5000000 per million tokens.", param=param
        )
    return picos


def is_late(version: PriceBookVersion, *, now: dt.datetime) -> bool:
    """Tell whether a draft would begin where another version's prices were charged."""
    if version.effective_at >= now - TOLERANCE:
        return False
    return last_published(book=version.book) is not None


def publish_or_begin_now(
    *, version: PriceBookVersion, now: dt.datetime, drop: Collection[str] = ()
) -> PriceBookVersion:
    """Publish a draft; one whose instant went by as it was written begins now.

    Raises as `publish_version` does, and then leaves the instant as it was.
    """
    with atomic():
        if version.published_at is None and is_late(version, now=now):
            version = reschedule_version(version=version, effective_at=now)
        return publish_version(version=version, now=now, drop=drop)


def _require_in_time(version: PriceBookVersion, now: dt.datetime) -> None:
    """Refuse a version that would change the price of requests already rated.

    A book's first version may begin in the past: without a price nothing was rated.
    """
    if version.effective_at > now + PUBLISH_AHEAD_MAX:
        raise Conflict(
            f"{version} would begin at {shown(version.effective_at)}, and no price "
            f"could change before: publish it at most {PUBLISH_AHEAD_MAX.days} days "
            "ahead.",
            param="effective_at",
        )
    previous = last_published(book=version.book)
    if previous is None:
        return
    if version.effective_at <= previous.effective_at:
        raise Conflict(
            f"{version} begins at {shown(version.effective_at)}, which is not after "
            f"{previous} ({shown(previous.effective_at)}).",
            param="effective_at",
        )
    if is_late(version, now=now):
        raise Conflict(
            f"{version} would have begun at {shown(version.effective_at)} already: "
            "requests since then are rated. Let it begin now or later.",
            param="effective_at",
        )


def _require_complete(
    version: PriceBookVersion, listed: set[str], drop: set[str]
) -> None:
    previous = last_published(book=version.book)
    before = set(previous.prices.values_list("model", flat=True)) if previous else set()
    if contradicted := sorted(drop & listed):
        raise InvalidRequest(
            f"{version} lists {', '.join(contradicted)}, which shall be dropped.",
            param="drop",
        )
    if missing := sorted(before - listed - drop):
        raise Conflict(
            f"{version} lists no price for {', '.join(missing)}, which {previous} "
            "does. Set one, or name the model to be dropped.",
            param="drop",
        )


def _lock(book: PriceBook) -> None:
    """Let one writer at a time number and publish the versions of a book."""
    PriceBook.objects.select_for_update().get(pk=book.pk)
