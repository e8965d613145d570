"""What each group of staff may not do: neither offered to it nor done for it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.watch import Watched
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.timeout(180)

# Of each group: pages that are refused it, and whether a tenant's page and those of a
# key and a replica offer it what.
_REPLICAS, _KEYS = "/admin/control/replica/", "/admin/tenants/apikey/"
_CLOSE, _COSTS = "/finance/close/", "/finance/costs/"
REFUSED = {
    "Operators": ("/admin/auth/user/", "/admin/receivables/payment/add/"),
    "Support": (
        *("/admin/auth/user/", "/admin/tenants/tenant/add/", _COSTS),
        *(f"{_KEYS}add/", f"{_REPLICAS}add/", "/admin/ledger/creditgrant/add/"),
    ),
    "Finance": (
        *("/admin/auth/user/", _KEYS, _REPLICAS, "/admin/live/", "/admin/routes/"),
        *("/admin/ledger/creditgrant/add/", "/admin/pricing/pricebookversion/add/"),
    ),
    "Finance approvers": (
        *("/admin/auth/user/", _KEYS, _REPLICAS, "/admin/receivables/payment/add/"),
        *("/admin/economics/costrate/add/", "/admin/exports/export/add/"),
    ),
}
TENANT = {
    "Operators": {"Suspend", "Grant credit", "Change"},
    "Support": {"Suspend", "All fields"},
    "Finance": {"All fields"},
    "Finance approvers": {"All fields"},
}
ROWS = {
    "Operators": {"Drain", "Set weight", "Disable", "Revoke", "Rotate"},
    "Support": set[str](),
}
ACTS = ("Suspend", "Grant credit", "Change", "All fields")


@pytest.mark.parametrize("group", REFUSED)
def test_a_group_is_offered_and_given_what_it_may_and_no_more(
    group: str, as_staff: Callable[[str], Watched]
) -> None:
    tenant = make_tenant()
    window = as_staff(group)
    page = window.open("/admin/")
    window.check()
    for address in REFUSED[group]:
        listed = address.removesuffix("add/")
        if listed == address:
            expect(page.locator(f"nav a[href='{address}']")).to_have_count(0)
    page = window.open(f"/admin/tenants/{tenant.pk}/")
    acts = page.locator(".standing .act").all_inner_texts()
    assert set(acts) & set(ACTS) == TENANT[group]
    window.check()
    for address in REFUSED[group]:
        window.open(address, status=403)


@pytest.mark.parametrize("group", ROWS)
def test_rows_offer_what_may_be_done_with_them(
    group: str, as_staff: Callable[[str], Watched]
) -> None:
    key = make_key().row
    replica = make_replica(model=make_model())
    window, offered = as_staff(group), set[str]()
    for address in (f"{_KEYS}{key.pk}/change/", f"{_REPLICAS}{replica.pk}/change/"):
        page = window.open(address)
        for name in ("Drain", "Set weight", "Disable", "Revoke", "Rotate"):
            # The theme's icons are read as words before the label.
            label = re.compile(rf"(^| ){name}$")
            if page.get_by_role("link", name=label).count():
                offered.add(name)
        buttons = page.get_by_role("button", name="Save", exact=True)
        expect(buttons).to_have_count(1 if group == "Operators" else 0)
    assert offered == ROWS[group]
    # What is not offered is not done for those who know its address either.
    if group == "Support":
        window.open(f"{_KEYS}{key.pk}/revoke/", status=403)
