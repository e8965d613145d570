"""Which group may see, add to and change what: every page of the admin, for each."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from config.groups import RIGHTS
from tenants.models import Tenant
from tests.admin import action, confirm, page
from tests.admin.pages import our_pages
from tests.factories.accounts import make_person, sign_in
from tests.factories.tenants import make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")

# For Operators, Support and Finance in turn: `v` sees the list, `a` may add too, `-`
# may do neither. Written out, for this is what the rules have to come to.
MATRIX = {
    "tenants.tenant": ("a", "v", "v"),
    "tenants.project": ("a", "v", "-"),
    "tenants.member": ("v", "v", "-"),
    "tenants.invitation": ("a", "v", "-"),
    "tenants.mail": ("v", "v", "-"),
    "tenants.apikey": ("a", "v", "-"),
    "tenants.managementtoken": ("a", "v", "-"),
    "tenants.plan": ("a", "v", "v"),
    "tenants.ratelimit": ("a", "v", "-"),
    "tenants.quota": ("a", "v", "-"),
    "tenants.budget": ("a", "v", "-"),
    "tenants.auditentry": ("v", "v", "-"),
    "control.servedmodel": ("a", "v", "-"),
    "control.modelalias": ("a", "v", "-"),
    "control.replica": ("a", "v", "-"),
    "usage.epoch": ("v", "v", "v"),
    "pricing.pricebook": ("a", "v", "v"),
    "pricing.pricebookversion": ("a", "v", "v"),
    "pricing.pricebookassignment": ("a", "v", "v"),
    "pricing.contract": ("a", "v", "v"),
    "subscriptions.planversion": ("a", "v", "a"),
    "subscriptions.subscription": ("a", "v", "a"),
    "ledger.account": ("v", "v", "v"),
    "ledger.creditgrant": ("a", "v", "v"),
    "ledger.grantrequest": ("a", "v", "v"),
    "ledger.transaction": ("v", "v", "v"),
    "ledger.entry": ("v", "v", "v"),
    "billing.invoice": ("v", "v", "v"),
    "billing.period": ("v", "v", "v"),
    "billing.provideroperation": ("v", "v", "v"),
    "billing.providercustomer": ("v", "v", "v"),
    "billing.seller": ("v", "v", "v"),
    "billing.billingprofile": ("v", "v", "a"),
    "collection.comparison": ("v", "v", "v"),
    "collection.dispute": ("v", "v", "v"),
    "collection.providerrefund": ("v", "v", "v"),
    "collection.standing": ("v", "v", "v"),
    "inbox.progress": ("v", "v", "v"),
    "inbox.webhookevent": ("v", "v", "v"),
    "receivables.creditnote": ("v", "v", "a"),
    "receivables.dunningstep": ("v", "v", "v"),
    "receivables.hold": ("v", "v", "a"),
    "receivables.payment": ("v", "v", "a"),
    "receivables.writeoff": ("v", "v", "a"),
    "topups.topup": ("a", "v", "a"),
    "topups.topuprule": ("a", "v", "a"),
    "exports.export": ("a", "v", "a"),
    "documents.document": ("v", "v", "v"),
    "documents.attempt": ("v", "v", "v"),
    "collection.meterdifference": ("v", "v", "v"),
    "collection.meterevent": ("v", "v", "v"),
    "collection.meterprogress": ("v", "v", "v"),
    "collection.outgoing": ("v", "v", "v"),
    "collection.purchase": ("v", "v", "v"),
    "collection.paymentmethod": ("v", "v", "v"),
    "taxes.taxrate": ("v", "v", "a"),
    "taxes.taxtreatment": ("v", "v", "a"),
    "economics.accountcode": ("v", "-", "a"),
    "economics.costrate": ("v", "-", "a"),
    "economics.replicaspan": ("v", "-", "v"),
    "alerts.crossing": ("v", "v", "v"),
    "alerts.delivery": ("v", "v", "v"),
    "alerts.endpoint": ("a", "v", "v"),
    "adjustments.adjustment": ("a", "v", "v"),
    "adjustments.rerating": ("a", "v", "v"),
    "jobs.job": ("v", "v", "v"),
    "reconciliation.case": ("v", "v", "v"),
    "reconciliation.engineprocess": ("v", "v", "v"),
    "reconciliation.epochproof": ("v", "v", "v"),
    "reconciliation.run": ("a", "v", "a"),
    "reconciliation.difference": ("v", "v", "v"),
    "auth.user": ("-", "-", "-"),
    "auth.group": ("-", "-", "-"),
}
GROUPS = ("Operators", "Support", "Finance")
APPROVERS = "Finance approvers"


def member(group: str) -> Client:
    """Return a session of somebody who is staff and in this group alone."""
    user = make_person(group.lower())
    user.is_staff = True
    user.save()
    user.groups.add(Group.objects.get(name=group))
    return sign_in(Client(), user)


@pytest.mark.parametrize(("column", "group"), list(enumerate(GROUPS)))
def test_each_group_sees_and_adds_what_it_may(column: int, group: str) -> None:
    client = member(group)
    for label, allowed in MATRIX.items():
        name, may = label.replace(".", "_"), allowed[column]
        seen = client.get(page(name, "changelist")).status_code
        added = client.get(page(name, "add")).status_code
        assert seen == (403 if may == "-" else 200), label
        assert added == (200 if may == "a" else 403), label


def test_approvers_see_what_finance_sees_and_add_nothing() -> None:
    client = member(APPROVERS)
    for label, (_, _, allowed) in MATRIX.items():
        name = label.replace(".", "_")
        seen = client.get(page(name, "changelist")).status_code
        assert seen == (403 if allowed == "-" else 200), label
        assert client.get(page(name, "add")).status_code == 403, label


@pytest.mark.parametrize("group", GROUPS)
def test_no_group_changes_what_it_may_only_see(group: str) -> None:
    client, tenant = member(group), make_tenant(name="Before")
    client.post(page("tenants_tenant", "change", tenant.pk), {"name": "After"})
    tenant.refresh_from_db()
    assert tenant.name == "Before"


@pytest.mark.parametrize(
    ("group", "state"),
    [("Operators", "suspended"), ("Support", "suspended"), ("Finance", "active")],
)
def test_support_suspends_though_it_changes_nothing_else(
    group: str, state: str
) -> None:
    client, tenant = member(group), make_tenant()
    confirm(client, action("tenants_tenant", "suspend", tenant.pk))
    tenant.refresh_from_db()
    assert tenant.state == state


def test_a_group_is_offered_no_link_that_it_may_not_follow() -> None:
    text = member("Finance").get("/admin/").content.decode()
    assert page("billing_invoice", "changelist") in text
    for refused in ("tenants_apikey", "control_replica", "auth_user"):
        assert page(refused, "changelist") not in text, refused


def test_every_page_has_a_line_in_the_matrix() -> None:
    labels = {model._meta.label_lower for model, _ in our_pages()}
    assert set(MATRIX) == labels
    assert set(RIGHTS) == {*GROUPS, APPROVERS}


def test_the_products_groups_are_not_changed_by_hand() -> None:
    group = Group.objects.get(name="Support")
    root = make_person("root")
    root.is_staff = root.is_superuser = True
    root.save()
    client = sign_in(Client(), root)
    client.post(page("auth_group", "change", group.pk), {"name": "Other"})
    group.refresh_from_db()
    assert group.name == "Support"
    refused = client.post(page("auth_group", "delete", group.pk), {"post": "yes"})
    assert refused.status_code == 403
    assert Tenant.objects.count() == 0
