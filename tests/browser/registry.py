"""Every page there is to look at, in one list: for the browser's tests and pictures.

A page that lands adds its line. Its name is its picture's; `path` is its address, or
what a link of another page leads to, where it has a number in it. All of it must be
found both in the world of the tests and in the product of the pictures.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urljoin

from tests.browser.watch import Watched
from tests.pictures.past import CUSTOMERS

# The fixture whose window it is looked at in; members are owners of the first customer.
Who = Literal["operator", "member", "guest"]


@dataclass(frozen=True, slots=True)
class Found:
    """The address of the first link on a page that fits a selector."""

    on: "str | Found"
    selector: str

    def address(self, watched: Watched) -> str:
        """Return where the link leads; raises `AssertionError` where there is none."""
        on = self.on if isinstance(self.on, str) else self.on.address(watched)
        page = watched.open(on)
        link = page.locator(self.selector)
        assert link.count(), f"{on} has no {self.selector}"
        return str(link.first.get_attribute("href"))


@dataclass(frozen=True, slots=True)
class Screen:
    """A page: what its pictures are called, where it is, and how it is prepared."""

    name: str
    path: str | Found
    click: str = ""
    """What to click on before it is looked at."""
    wait_for: str = ""
    """What a script has to draw before it can be looked at."""
    who: Who = "operator"
    status: int = 200
    """What it answers as it is opened."""
    spoils: str = ""
    """The field of a form that is spoiled before the click sends the form."""

    def address(self, watched: Watched) -> str:
        """Return where it is; raises `AssertionError` where no link leads there."""
        if isinstance(self.path, str):
            return self.path
        return self.path.address(watched)

    def prepare(self, watched: Watched) -> None:
        """Open the page as it is looked at."""
        watched.open(self.address(watched), status=self.status)
        if self.spoils:
            field = watched.page.locator(self.spoils).first
            field.evaluate("field => { field.value = 'spoiled'; }")
        if self.click:
            self._click(watched)
        if self.wait_for:
            # A library may have much to draw.
            watched.page.wait_for_selector(self.wait_for, timeout=90_000)

    def _click(self, watched: Watched) -> None:
        """Click, or open what a link leads to: a click does not wait for its page."""
        there = watched.page.locator(self.click).first
        if leads_to := there.get_attribute("href"):
            watched.open(
                urljoin(watched.page.url, leads_to).removeprefix(watched.origin)
            )
        else:
            there.click()


# While a month runs, little of it is invoiced.
LAST_MONTH: Final = (
    f"{dt.datetime.now(dt.UTC).replace(day=1) - dt.timedelta(days=1):%Y-%m}"
)
INVOICE: Final = Found(
    "/finance/usage/?range=last-month", "a[href^='/finance/invoices/']"
)
LINE: Final = Found(INVOICE, "a[href*='/lines/']")
FINANCE: Final = (
    Screen("finance-overview", "/finance/"),
    Screen("finance-revenue", "/finance/revenue/"),
    Screen("finance-revenue-tenants", "/finance/revenue/?by=tenant"),
    Screen("finance-revenue-models", "/finance/revenue/?by=model"),
    Screen("finance-cohorts", "/finance/cohorts/"),
    Screen("finance-cohorts-revenue", "/finance/cohorts/?by=revenue"),
    Screen("finance-cohort-month", Found("/finance/cohorts/", "a[href*='cohort=']")),
    Screen("finance-recurring", "/finance/mrr/"),
    Screen("finance-margin", "/finance/margin/"),
    Screen("finance-margin-tenants", "/finance/margin/?by=tenant"),
    Screen("finance-forecast", "/finance/forecast/"),
    Screen("finance-costs", "/finance/costs/"),
    Screen("finance-costs-entering", "/finance/costs/", click=".entering summary"),
    Screen("finance-closes", "/finance/close/"),
    Screen("finance-close", Found("/finance/close/", "tbody tr:nth-child(2) th a")),
    Screen(
        "finance-close-lock",
        Found("/finance/close/", "tbody tr:nth-child(2) th a"),
        click="a.button",
    ),
    Screen("finance-receivables", "/finance/receivables/"),
    Screen("finance-credit", "/finance/credit/"),
    Screen("finance-sold-ahead", "/finance/waterfall/"),
    Screen("finance-journal", f"/finance/journal/?month={LAST_MONTH}"),
    Screen("finance-funnel", "/finance/funnel/"),
    Screen("finance-funnel-month", f"/finance/funnel/?month={LAST_MONTH}"),
    Screen("finance-credit-month", f"/finance/credit/?month={LAST_MONTH}"),
    Screen("finance-report", Found("/finance/", "a[href='/finance/reports/']")),
    Screen("finance-files", f"/finance/reports/{LAST_MONTH}/files/"),
    Screen("finance-usage", "/finance/usage/?range=30d"),
    Screen("finance-usage-tenants", "/finance/usage/?range=30d&by=tenant&show=tokens"),
    Screen("finance-usage-empty", "/finance/usage/?from=2001-01-01&to=2001-01-02"),
    Screen("finance-invoice", INVOICE),
    Screen("finance-invoice-line", LINE),
    Screen("finance-invoice-day", Found(LINE, "#days a[href*='/lines/']")),
)
PRICES: Final = Found(
    "/admin/pricing/pricebookversion/",
    "a[href*='/pricebookversion/'][href*='/change/']:has-text('Standard')",
)
_A_TENANT: Final = Found(
    "/admin/tenants/tenant/", "#result_list a:has-text('Northwind')"
)
ADMIN: Final = (
    Screen("admin", "/admin/"),
    Screen("admin-tenants", "/admin/tenants/tenant/"),
    Screen("admin-proof", "/admin/proof/"),
    Screen("admin-price-version", PRICES),
    Screen("admin-plan-versions", "/admin/subscriptions/planversion/"),
    Screen("admin-jobs", "/admin/jobs/job/"),
    Screen("admin-exports", "/admin/exports/export/"),
    Screen("admin-live", "/admin/live/?still=yes"),
    Screen("admin-routes", "/admin/routes/"),
    Screen("admin-tenant", _A_TENANT),
    Screen("admin-tenant-usage", _A_TENANT, click=".tabs a:has-text('Usage')"),
    Screen("admin-tenant-limits", _A_TENANT, click=".tabs a:has-text('Limits')"),
    Screen("admin-tenant-notes", _A_TENANT, click=".tabs a:has-text('Notes')"),
    Screen("admin-replicas", "/admin/control/replica/"),
)
# The tenant whose console is looked at.
PLACE: Final = f"/console/{CUSTOMERS[0].slug}/"
BILL: Final = Found(f"{PLACE}billing/invoices/", "#invoices tbody th a")
ENDPOINT: Final = Found(
    f"{PLACE}notifications/", "a[href*='/webhooks/']:has-text('Spend alerts')"
)
_A_KEY: Final = Found(f"{PLACE}keys/?state=active", "#keys tbody th a")
_A_MEMBER: Final = Found(f"{PLACE}members/", "#members tbody th a")
CONSOLE: Final = (
    Screen("console", PLACE, who="member"),
    Screen("console-start", f"{PLACE}start/?with=python&model=qwen3-32b", who="member"),
    Screen(
        "console-start-assistant",
        f"{PLACE}start/?with=codex&model=qwen3-32b",
        who="member",
    ),
    Screen("console-requests", f"{PLACE}requests/", who="member"),
    Screen("console-requests-live", f"{PLACE}requests/?live=yes", who="member"),
    Screen(
        "console-receipt",
        Found(f"{PLACE}requests/", "#requests tbody th a"),
        who="member",
    ),
    Screen("console-playground", f"{PLACE}playground/", who="member"),
    Screen("console-models", f"{PLACE}models/", who="member"),
    Screen(
        "console-model",
        Found(f"{PLACE}models/", "tbody th a:has-text('qwen3')"),
        who="member",
    ),
    Screen("console-billing", f"{PLACE}billing/", who="member"),
    Screen("console-invoices", f"{PLACE}billing/invoices/", who="member"),
    Screen("console-invoice", BILL, who="member"),
    Screen("console-invoice-line", Found(BILL, "a[href*='/lines/']"), who="member"),
    Screen("console-billing-details", f"{PLACE}billing/details/", who="member"),
    Screen("console-credit", f"{PLACE}billing/credit/", who="member"),
    Screen("console-top-up", f"{PLACE}billing/top-up/", who="member"),
    Screen("console-top-up-rule", f"{PLACE}billing/top-up/rule/", who="member"),
    Screen("console-usage", f"{PLACE}usage/?range=30d&then=project", who="member"),
    Screen("console-usage-keys", f"{PLACE}usage/?range=24h&by=key", who="member"),
    Screen("console-limits", f"{PLACE}limits/", who="member"),
    Screen("console-limit-new", f"{PLACE}limits/new/budget/", who="member"),
    Screen("console-notifications", f"{PLACE}notifications/", who="member"),
    Screen("console-my-mails", f"{PLACE}notifications/mine/", who="member"),
    Screen("console-webhook-new", f"{PLACE}notifications/webhooks/new/", who="member"),
    Screen("console-webhook", ENDPOINT, who="member"),
    Screen(
        "console-webhook-delivery",
        Found(ENDPOINT, "a[href*='/deliveries/']"),
        who="member",
    ),
    Screen("console-keys", f"{PLACE}keys/", who="member"),
    Screen("console-key-new", f"{PLACE}keys/new/", who="member"),
    Screen("console-key", _A_KEY, who="member"),
    Screen(
        "console-key-change", _A_KEY, click="a.button:text-is('Change')", who="member"
    ),
    Screen("console-key-revoke", _A_KEY, click="a[href$='/revoke/']", who="member"),
    Screen("console-projects", f"{PLACE}projects/", who="member"),
    Screen(
        "console-project",
        Found(f"{PLACE}projects/", "#projects tbody th a"),
        who="member",
    ),
    Screen("console-members", f"{PLACE}members/", who="member"),
    Screen("console-member", _A_MEMBER, who="member"),
    Screen("console-member-invite", f"{PLACE}members/invite/", who="member"),
    Screen("console-audit", f"{PLACE}audit/", who="member"),
    Screen("console-exports", f"{PLACE}exports/", who="member"),
    Screen("console-settings", f"{PLACE}settings/", who="member"),
    Screen("console-tokens", f"{PLACE}tokens/", who="member"),
    Screen("console-token-new", f"{PLACE}tokens/new/", who="member"),
)
ACCOUNTS: Final = (
    Screen("sign-in", "/accounts/login/", who="guest"),
    Screen("second-factor", "/accounts/2fa/"),
    Screen("api-reference", "/api/v1/docs/", wait_for=".opblock"),
)
# What is answered where a page is not there, not one's own, or a form is not ours; the
# page of a bug is looked at in the tests alone.
REFUSALS: Final = (
    Screen("refused-nothing-here", "/console/no-such-place/", who="member", status=404),
    Screen("refused-not-yours", "/finance/", who="member", status=403),
    Screen("refused-unknown-address", "/no/such/page/", who="guest", status=404),
    Screen(
        "refused-form",
        "/accounts/login/",
        spoils=".appearance [name=csrfmiddlewaretoken]",
        click=".appearance button",
        wait_for=".empty",
        who="guest",
    ),
)
SCREENS: Final = (*FINANCE, *ADMIN, *CONSOLE, *ACCOUNTS, *REFUSALS)
