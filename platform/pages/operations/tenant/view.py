"""One page for each subject of a tenant, under one heading with what may be done.

Tabs that somebody may not see are not offered, and are refused where they are asked
for. Failure: a tenant or a tab that is not there is 404.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from kit.errors import NotFound
from metering.receivables.selectors import unpaid
from pages.access import admin_page, refusal
from pages.design.address import query_of
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.operations.live import SEE_TENANTS
from pages.operations.shell import Reader, framed, home
from pages.operations.tenant import access, history, money, notes, summary, usage
from pages.operations.tenant.looking import look_address
from pages.operations.tenant.parts import Asked, Shown
from tenants import selectors
from tenants.models import Tenant

_LAST_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Tab:
    """A subject, and the right that it asks for."""

    name: str
    label: str
    permission: str
    shown: Callable[[Asked], Shown]


@dataclass(frozen=True, slots=True)
class Action:
    """Something to be done: in a dialog that counts what will follow, or on a page."""

    label: str
    address: str
    is_dialog: bool = True
    is_danger: bool = False


TABS = (
    Tab("usage", "Usage", "usage.view_dayrollup", usage.shown),
    Tab("keys", "Keys", "tenants.view_apikey", access.keys),
    Tab("limits", "Limits", "tenants.view_budget", access.limits),
    Tab("invoices", "Invoices", "billing.view_invoice", money.invoices),
    Tab("credit", "Credit", "ledger.view_creditgrant", money.credit),
    Tab(
        "subscriptions",
        "Subscriptions",
        "subscriptions.view_subscription",
        money.subscriptions,
    ),
    Tab("requests", "Requests", "usage.view_dayrollup", history.requests),
    Tab("audit", "Audit", "tenants.view_auditentry", history.audit),
    Tab("notes", "Notes", "tenants.view_note", notes.shown),
)


@admin_page(SEE_TENANTS)
def tenant(request: HttpRequest, tenant_id: int, tab: str = "") -> HttpResponse:
    """Show a tab of a tenant, or of one of its tables the file."""
    row, user = selectors.tenant(tenant_id), request.user
    asked = Asked(row, query_of(request.GET), timezone.now(), user)
    seen = [each for each in TABS if user.has_perm(each.permission)]
    chosen = next((each for each in TABS if each.name == tab), None)
    if tab and chosen is None:
        raise NotFound(f"There is no page '{tab}' of a tenant.")
    if chosen and chosen not in seen:
        return refusal(
            request,
            403,
            "Not yours to see",
            f"Your account may not see this. Ask an operator for {chosen.permission}.",
        )
    shown = chosen.shown(asked) if chosen else _first(asked, user)
    for part in shown.parts:
        if wants_file(part.table, asked.query):
            rows, cut = part.of_file()
            name = f"{row.slug}-{part.table.name}{cut}"
            return file_of(part.table, rows, asked.query, name=name)
    context = {
        "state": summary.state_badge(row),
        "tiles": summary.tiles(asked, user) if chosen is None else (),
        "tabs": _tabs(row, seen, tab),
        "acts": _actions(row, user),
        "look": look_address(row, user),
        "part_tiles": shown.tiles,
        "tables": [
            each.table.laid_out(
                each.rows, asked.query, totals=each.totals, count=each.count
            )
            for each in shown.parts
        ],
        "links": shown.links,
        "template": shown.template,
        **shown.more,
    }
    return framed(request, "pages/operations/tenant.html", _heading(row), context)


def _first(asked: Asked, user: Reader) -> Shown:
    """Return what the first tab shows of what somebody may see."""
    parts = []
    if user.has_perm("billing.view_invoice"):
        parts.append(money.owed(asked, unpaid(asked.tenant)))
    if user.has_perm("tenants.view_auditentry"):
        parts.append(history.audited(asked, most=_LAST_CHANGES))
    return Shown(parts=parts)


def _heading(row: Tenant) -> Heading:
    plan = f"plan {row.plan}" if row.plan else "the default plan"
    listed = reverse("admin:tenants_tenant_changelist")
    return Heading(
        row.name,
        scope=(row.slug, plan, row.get_payment_mode_display(), row.currency, row.zone),
        crumbs=(home(), Crumb("Tenants", listed)),
    )


def _tabs(row: Tenant, seen: list[Tab], tab: str) -> list[tuple[str, str, bool]]:
    first = ("Overview", reverse("operations:tenant", args=(row.pk,)), not tab)
    return [
        first,
        *(
            (
                each.label,
                reverse("operations:tenant_tab", args=(row.pk, each.name)),
                each.name == tab,
            )
            for each in seen
        ),
    ]


def _actions(row: Tenant, user: Reader) -> list[Action]:
    """Return what somebody may do to a tenant as it is."""
    found = []
    if user.has_perm("tenants.suspend_tenant"):
        is_active = row.state == Tenant.State.ACTIVE
        name, label = ("suspend", "Suspend") if is_active else ("restore", "Restore")
        address = reverse(f"admin:tenants_tenant_{name}", args=(row.pk,))
        found.append(Action(label, address, is_danger=is_active))
    if user.has_perm("ledger.add_creditgrant"):
        address = f"{reverse('admin:ledger_creditgrant_add')}?tenant={row.slug}"
        found.append(Action("Grant credit", address, is_dialog=False))
    change = reverse("admin:tenants_tenant_change", args=(row.pk,))
    may_change = user.has_perm("tenants.change_tenant")
    label = "Change" if may_change else "All fields"
    return [*found, Action(label, change, is_dialog=False)]
