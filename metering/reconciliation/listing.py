"""Lists and links that several of the operators' pages show."""

from collections.abc import Iterable

from django.apps import apps
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from metering.reconciliation.catalogue import ALL


def listed(rows: Iterable[tuple[str]]) -> SafeString:
    """Return rows as a list."""
    return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", rows))


def where_to_look(check_name: str) -> str:
    """Return a link to the list that a check's subjects are in, if there is one."""
    check = ALL.get(check_name)
    if check is None:
        return ""
    # The page's name says of which model it is: `admin:usage_epoch_changelist`.
    app, model, _ = check.look.partition(":")[2].split("_")
    name = apps.get_model(app, model)._meta.verbose_name_plural
    link = '<a class="underline" href="{}">{}</a>'
    return format_html(link, reverse(check.look), name)
