"""What a draft changes and would come to, on its page.

The prices beside those before, last month's use of a few tenants, and of all by a job.
"""

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kit.money import Money, quote_per_million
from metering.pricing.comparing import (
    PriceChange,
    changed_by,
    changes,
    version_before,
)
from metering.pricing.models import PriceBookVersion
from metering.pricing.previewing import effects, last_month, payers
from metering.pricing.replaying import last_preview
from metering.usage.epochs import database_now

# The whole is told before publication, and any page of it over the API.
_SHOWN_MAX = 20


def preview_table(version: PriceBookVersion) -> SafeString:
    """Return the last tenants that would pay by a draft, and what it means for each."""
    month = last_month(now=database_now())
    tenants = list(
        payers(version=version, month=month).order_by("-pk")[: _SHOWN_MAX + 1]
    )
    if not tenants:
        return format_html("Nobody used anything in {} that it prices.", month.name)
    found = effects(version=version, month=month, tenants=tenants[:_SHOWN_MAX])
    rows = format_html_join(
        "",
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        (
            (
                each.tenant.slug,
                *(
                    str(Money(picos, version.book.currency))
                    for picos in (
                        each.charged_picos,
                        each.preview_picos,
                        each.difference_picos,
                    )
                ),
                ", ".join(each.unpriced) or "-",
            )
            for each in found
        ),
    )
    more = "The latest tenants only." if len(tenants) > _SHOWN_MAX else ""
    return format_html(
        '<table class="w-full text-left"><thead><tr><th>tenant</th><th>{}</th>'
        "<th>under this version</th><th>more</th><th>without a price</th></tr></thead>"
        "<tbody>{}</tbody></table>{}",
        month.name,
        rows,
        more,
    )


def changes_table(version: PriceBookVersion) -> SafeString:
    """Return each model's prices per million beside those of the version before."""
    base = version_before(version)
    if base is None:
        return SafeString("It is the first version of its book: every price is new.")
    found = changes(version)
    same = sum(each.is_same for each in found)
    differing = [each for each in found if not each.is_same]
    if not differing:
        return format_html("Nothing: all {} prices are as in {}.", same, base)
    rows = format_html_join(
        "",
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        ((each.model, *_changed(each)) for each in differing),
    )
    return format_html(
        '<table class="w-full text-left"><thead><tr><th>model</th><th>input</th>'
        "<th>cached input</th><th>output</th></tr></thead><tbody>{}</tbody></table>"
        "Per million, against {}. As before: {}.",
        rows,
        base,
        same,
    )


def whole_preview(version: PriceBookVersion) -> SafeString:
    """Return what the last preview of all tenants came to, or how far it is."""
    job = last_preview(version)
    if job is None:
        return SafeString("Nobody has asked for it yet.")
    lines = format_html_join(
        "", "<div>{}: {}</div>", ((name, job.outcome[name]) for name in job.outcome)
    )
    return format_html(
        '{}<a class="underline" href="{}">{}, {}</a>',
        lines,
        reverse("admin:jobs_job_change", args=(job.pk,)),
        job.title,
        job.get_state_display().lower(),
    )


def _changed(change: PriceChange) -> list[str]:
    """Say what becomes of the three prices of a model."""
    if change.before is None or change.after is None:
        prices = change.before or change.after or ()
        word = "new" if change.before is None else "closed, was"
        return [f"{word} {quote_per_million(each)}" for each in prices]
    return [
        quote_per_million(after)
        if before == after
        else f"{quote_per_million(before)} \N{RIGHTWARDS ARROW} "
        f"{quote_per_million(after)} ({changed_by(before, after)})"
        for before, after in zip(change.before, change.after, strict=True)
    ]
