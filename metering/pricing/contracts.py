"""Agree on prices with one tenant: draft a contract, sign it, end it.

A signed contract goes before whatever book the tenant is assigned, for its time alone.
Signing resolves it to a book of its own: see `deriving`. Failure: a refused change
raises `Conflict` or `InvalidRequest` and writes nothing.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from kit.orm.saving import change, create
from metering.pricing.announcing import announce
from metering.pricing.deriving import derive
from metering.pricing.discounting import MODEL_CHARS_MAX, require_room
from metering.pricing.instants import require_ahead, require_aware, shown
from metering.pricing.models import (
    Contract,
    ContractPrice,
    PriceBook,
    PriceBookVersion,
)
from metering.pricing.services import quoted_picos
from tenants.models import Tenant

_QUOTES = ("input_per_million", "cached_input_per_million", "output_per_million")


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a contract says of one model: three quotes per million, or a percentage."""

    model: str
    input_per_million: str | None = None
    cached_input_per_million: str | None = None
    output_per_million: str | None = None
    discount_percent: Decimal | None = None


def create_contract(
    *,
    tenant: Tenant,
    name: str,
    base: PriceBook,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None = None,
    discount_percent: Decimal = Decimal(0),
    prices: Sequence[Agreed] = (),
) -> Contract:
    """Draft a contract. Raises `InvalidRequest` for terms that make no sense."""
    _require_span(starts_at, ends_at)
    if base.derived_for_id is not None:
        raise InvalidRequest(f"{base} is a contract's own book.", param="base")
    if tenant.currency != base.currency:
        raise InvalidRequest(
            f"Tenant '{tenant.slug}' pays in {tenant.currency}, "
            f"price book '{base}' is in {base.currency}.",
            param="base",
        )
    with atomic():
        contract = Contract(
            tenant=tenant,
            name=name.strip(),
            base=base,
            starts_at=starts_at,
            ends_at=ends_at,
            discount_percent=discount_percent,
        )
        create(contract)
        return set_contract_prices(contract=contract, prices=prices)


def update_contract(*, contract: Contract, **changes: object) -> Contract:
    """Change a draft's name, `starts_at`, `ends_at` or `discount_percent`."""
    with atomic():
        draft = _locked_draft(contract)
        starts_at = changes.get("starts_at", draft.starts_at)
        ends_at = changes.get("ends_at", draft.ends_at)
        if isinstance(starts_at, dt.datetime):
            _require_span(
                starts_at, ends_at if isinstance(ends_at, dt.datetime) else None
            )
        change(draft, changes)
        return draft


def set_contract_prices(*, contract: Contract, prices: Sequence[Agreed]) -> Contract:
    """Say what a draft has for which models; all others get its percentage.

    Raises `InvalidRequest` for a model named twice, and for one that has neither all
    three quotes nor a percentage of 0 to 100.
    """
    rows = [_row(contract, each) for each in prices]
    if len({row.model for row in rows}) != len(rows):
        raise InvalidRequest("A model is listed twice.", param="prices")
    with atomic():
        draft = _locked_draft(contract)
        before = _told(draft)
        draft.prices.all().delete()
        ContractPrice.objects.bulk_create(rows)
        after = _told(draft)
        if after != before:
            tell(draft, action="set_prices", before=before, after=after)
        return draft


def sign_contract(*, contract: Contract, now: dt.datetime) -> Contract:
    """Put a contract in force for its time, for good, and tell the gateways.

    Signing twice changes nothing. Raises `Conflict` when it would begin in the past, or
    at a time that another contract of the tenant has or the base has no price for.
    """
    with atomic():
        # Two contracts of one tenant take turns, whichever books they are based on.
        Tenant.objects.select_for_update(no_key=True).get(pk=contract.tenant_id)
        # Nobody publishes a version of the base meanwhile that would be left out.
        base = PriceBook.objects.select_for_update().get(pk=contract.base_id)
        fresh = Contract.objects.select_for_update().get(pk=contract.pk)
        if fresh.signed_at is not None:
            return fresh
        _require_draft(fresh)
        require_ahead(fresh.starts_at, now=now, param="starts_at")
        versions = _versions(fresh, base)
        _require_known(fresh, versions)
        fresh.signed_at = now
        try:
            with atomic():
                book = PriceBook(
                    name=f"Contract {fresh.pk}: {fresh.name}",
                    currency=base.currency,
                    derived_for=fresh,
                )
                create(book, action="derive")
                for version in versions:
                    derive([fresh], version, now=now)
                fresh.save(update_fields=["signed_at"])
        except IntegrityError as error:
            if "pricing_contract_apart" not in str(error):
                raise
            raise Conflict(
                "The tenant has another contract at that time: end it first.",
                param="starts_at",
            ) from None
        tell(fresh, action="sign", after={**values(fresh), **_told(fresh)})
        announce(f"contract {fresh.pk}")
        return fresh


def end_contract(
    *, contract: Contract, now: dt.datetime, ends_at: dt.datetime | None = None
) -> Contract:
    """Let a contract end at `ends_at`, or `now`, which is earlier than agreed.

    One that has not begun by then never holds, and a draft is discarded. An end can be
    moved earlier; doing it again, or later, changes nothing. Raises `Conflict` for a
    time that is over.
    """
    end = ends_at or now
    require_aware(end, param="ends_at")
    with atomic():
        fresh = Contract.objects.select_for_update().get(pk=contract.pk)
        if fresh.until is not None and fresh.until <= end:
            return fresh
        require_ahead(end, now=now, param="ends_at")
        change(fresh, {"ended_at": end}, action="end")
        announce(f"contract {fresh.pk}")
        return fresh


def _versions(contract: Contract, base: PriceBook) -> list[PriceBookVersion]:
    """Return the base's versions in force at the contract's beginning or later."""
    published = base.versions.filter(published_at__isnull=False).prefetch_related(
        "prices"
    )
    first = published.filter(effective_at__lte=contract.starts_at)
    in_force = first.order_by("-effective_at").first()
    if in_force is None:
        raise Conflict(
            f"{base} has no price in force at {shown(contract.starts_at)}.",
            param="starts_at",
        )
    later = published.filter(effective_at__gt=contract.starts_at)
    if contract.ends_at is not None:
        later = later.filter(effective_at__lt=contract.ends_at)
    return [in_force, *later.order_by("effective_at")]


def _require_known(contract: Contract, versions: Sequence[PriceBookVersion]) -> None:
    """Refuse a percentage off what is not there: a misspelt name would get none."""
    listed = {price.model for each in versions for price in each.prices.all()}
    reduced = contract.prices.filter(discount_percent__isnull=False)
    if unknown := sorted({price.model for price in reduced} - listed):
        raise Conflict(
            f"{contract.base} has no price for {', '.join(unknown)} to take a "
            "percentage off.",
            param="prices",
        )


def _row(contract: Contract, agreed: Agreed) -> ContractPrice:
    if not 1 <= len(agreed.model) <= MODEL_CHARS_MAX:
        raise InvalidRequest("Name the served model.", param="model")
    # Whatever discounts the base has or will have: its versions are published at once.
    require_room(agreed.model)
    row = ContractPrice(contract=contract, model=agreed.model)
    quotes = {name: getattr(agreed, name) for name in _QUOTES}
    given = [name for name, quote in quotes.items() if quote is not None]
    if agreed.discount_percent is not None and not given:
        if not 0 <= agreed.discount_percent <= 100:
            raise InvalidRequest(
                "Give a percentage from 0 to 100.", param="discount_percent"
            )
        row.discount_percent = agreed.discount_percent
    elif agreed.discount_percent is None and len(given) == len(_QUOTES):
        for name, quote in quotes.items():
            picos = quoted_picos(name, str(quote))
            setattr(row, name.replace("per_million", "picos"), picos)
    else:
        raise InvalidRequest(
            f"Give '{agreed.model}' all three prices, or a percentage, not both.",
            param="prices",
        )
    return row


def _told(contract: Contract) -> dict[str, object]:
    """Return the prices of a contract as the audit tells them, by model."""
    return {
        price.model: {
            name: getattr(price, name)
            for name in (
                "input_picos",
                "cached_input_picos",
                "output_picos",
                "discount_percent",
            )
            if getattr(price, name) is not None
        }
        for price in contract.prices.order_by("model")
    }


def _require_span(starts_at: dt.datetime, ends_at: dt.datetime | None) -> None:
    require_aware(starts_at, param="starts_at")
    if ends_at is None:
        return
    require_aware(ends_at, param="ends_at")
    if ends_at <= starts_at:
        raise InvalidRequest(
            f"It would end at {shown(ends_at)}, which is not after it begins.",
            param="ends_at",
        )


def _locked_draft(contract: Contract) -> Contract:
    draft = Contract.objects.select_for_update().get(pk=contract.pk)
    _require_draft(draft)
    return draft


def _require_draft(contract: Contract) -> None:
    if contract.state != "draft":
        raise Conflict(
            f"Contract '{contract}' is {contract.state} and cannot be changed any more."
        )
