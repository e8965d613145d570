"""Replay last month's use under a draft for all who would pay by it: a job.

A preview of one page of tenants is read at once (`previewing`); of ten thousand it
takes a while. It is of the draft as it was when it was asked for: what has changed
since fails the job, and what changes afterwards makes its outcome an old one. Failure:
that alone; it writes nothing but its own outcome.
"""

import datetime as dt
import hashlib
import json

from django.urls import reverse

from kit.errors import Conflict
from kit.json_values import JsonObject
from kit.money import Money
from metering.jobs import selectors as jobs
from metering.jobs import services as asking
from metering.jobs.kinds import Kind, Step, Stepped
from metering.jobs.models import Job
from metering.pricing.models import DISCOUNTS, PriceBookVersion
from metering.pricing.previewing import (
    Month,
    TenantEffect,
    effects,
    last_month,
    month_of,
    payers,
)
from metering.usage.epochs import database_now

NAME = "pricing.preview"
STEP_TENANTS = 200
# Who pays more than a tenth more is counted, and those who pay most more are named.
_RISEN_PERCENT = 10
_NAMED_MAX = 10
_FRESH: JsonObject = {
    "after": 0,
    "done": 0,
    "charged": 0,
    "preview": 0,
    "risen": 0,
    "most": [],
    "unpriced": [],
}


def ask_preview(*, version: PriceBookVersion) -> Job:
    """Ask for last month's use of all tenants under a draft.

    Raises `Conflict` for a version that is published.
    """
    if version.published_at is not None:
        raise Conflict(f"{version} is published: its prices are charged already.")
    month = last_month(now=database_now())
    return asking.ask(
        kind=NAME,
        subject=str(version.pk),
        title=f"Preview {version} over {month.name}",
        asked={
            "version": version.pk,
            "month": f"{month.first_date}",
            "draft": digest_of(version),
        },
        whole=payers(version=version, month=month).count(),
    )


def last_preview(version: PriceBookVersion) -> Job | None:
    """Return the last preview of a version that was asked for."""
    return jobs.latest(kind=NAME, subject=str(version.pk))


def digest_of(version: PriceBookVersion) -> str:
    """Return what two drafts share if, and only if, the same use costs the same."""
    terms = [f"{version.effective_at.isoformat()}"]
    terms += [f"{getattr(version, name)}" for name in DISCOUNTS]
    columns = ("model", "input_picos", "cached_input_picos", "output_picos")
    for price in version.prices.order_by("model").values_list(*columns):
        terms += [str(each) for each in price]
    return hashlib.sha256(json.dumps(terms).encode()).hexdigest()


def said_before(version: PriceBookVersion) -> str:
    """Say what last month's use would come to, by the last preview of all tenants."""
    ask = "Ask for a preview for all to know what last month's use would come to."
    job = last_preview(version)
    if job is None:
        return f"No preview counted all tenants. {ask}"
    if job.asked.get("draft") != digest_of(version):
        return f"The draft was changed since its last preview of all tenants. {ask}"
    if job.state != Job.State.DONE:
        progress = jobs.progress(job)
        return (
            f"The preview of all tenants is {job.get_state_display().lower()}:"
            f" {progress.done:,} of {progress.whole or 0:,} counted."
        )
    came_to = job.outcome
    return (
        f"Use of {_month(job.asked).name} by those who would pay by it ({job.done:,}"
        f" tenants) would have cost {came_to['under this version']} instead of"
        f" {came_to['charged']}, {came_to['more']} more. Models used then that have no"
        f" price in it: {came_to['used without a price']}."
    )


def _take_step(step: Step) -> Stepped:
    version = PriceBookVersion.objects.select_related("book").get(
        pk=step.asked["version"]
    )
    month = _month(step.asked)
    if step.asked.get("draft", "") not in {"", digest_of(version)}:
        raise Conflict("The draft was changed meanwhile: ask for another preview.")
    place = {**_FRESH, **step.place}
    wanted = payers(version=version, month=month).filter(pk__gt=place["after"])
    # One more than is looked at tells whether any is left.
    tenants = list(wanted.order_by("pk")[: STEP_TENANTS + 1])
    is_last, tenants = len(tenants) <= STEP_TENANTS, tenants[:STEP_TENANTS]
    for each in effects(version=version, month=month, tenants=tenants):
        _add(place, each)
    if tenants:
        place["after"] = tenants[-1].pk
    whole = place.setdefault("whole", payers(version=version, month=month).count())
    return Stepped(
        done=place["done"],
        whole=place["done"] if is_last else max(whole, place["done"] + 1),
        place=place,
        is_finished=is_last,
        outcome=_outcome(place, version.book.currency),
    )


def _add(place: JsonObject, effect: TenantEffect) -> None:
    place["done"] += 1
    place["charged"] += effect.charged_picos
    place["preview"] += effect.preview_picos
    more = effect.difference_picos
    if more * 100 > effect.charged_picos * _RISEN_PERCENT:
        place["risen"] += 1
    named = [*place["most"], [more, effect.tenant.slug]]
    place["most"] = sorted(named, key=lambda each: -each[0])[:_NAMED_MAX]
    place["unpriced"] = sorted({*place["unpriced"], *effect.unpriced})


def _outcome(place: JsonObject, currency: str) -> JsonObject:
    more = place["preview"] - place["charged"]
    most = ", ".join(
        f"{slug} {Money(picos, currency)}" for picos, slug in place["most"] if picos > 0
    )
    return {
        "charged": str(Money(place["charged"], currency)),
        "under this version": str(Money(place["preview"], currency)),
        "more": str(Money(more, currency)),
        f"tenants that pay over {_RISEN_PERCENT} % more": place["risen"],
        "most more": most or "nobody",
        "used without a price": ", ".join(place["unpriced"]) or "nothing",
    }


def _month(asked: JsonObject) -> Month:
    return month_of(dt.date.fromisoformat(asked["month"]))


def _address(asked: JsonObject) -> str:
    return reverse("admin:pricing_pricebookversion_change", args=(asked["version"],))


KIND = Kind(
    name=NAME,
    label="Preview of prices",
    unit="tenants",
    step=_take_step,
    cancelling="A preview changes nothing.",
    address=_address,
    right="pricing.change_pricebookversion",
)
