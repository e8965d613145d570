"""What a draft would come to, on its page: last month's use, tenant by tenant."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kit.money import Money
from metering.pricing.models import PriceBookVersion
from metering.pricing.previewing import effects, last_month, payers
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
