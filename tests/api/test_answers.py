"""Real answers are as the document says, and its example requests are what is taken.

Each operation is called for real, the writing ones with their own example, and what
comes back is held against the schema of its status.
"""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from kit.engine_counts import EngineSilence
from metering.alerts import services as endpoints
from metering.pricing.models import PriceBook
from metering.reconciliation.cases import update_cases
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.checks.check import Finding, Found, Scope
from metering.reconciliation.engines import reading
from metering.reconciliation.models import Case, Run
from metering.reconciliation.proofs import count_epochs, keep_proofs
from metering.usage.selectors import database_now
from metering.usage.services import cover
from tenants.models import Invitation, Project, Tenant
from tenants.services import keys
from tests.api.calling import Caller, Ids, soon, taken
from tests.api.calls_addresses import call_addresses, conflicts_of_addresses
from tests.api.calls_billing import call_billing
from tests.api.calls_collection import call_collection, conflicts_of_collection
from tests.api.calls_documents import call_documents, refused_documents
from tests.api.calls_exports import call_exports, refused_exports
from tests.api.calls_ledger import call_credit
from tests.api.calls_plans import call_plans, conflicts_of_plans
from tests.api.calls_prices import (
    call_contracts,
    call_pricing,
    conflicts_of_assignments,
    conflicts_of_contracts,
)
from tests.api.calls_receivables import call_receivables, conflicts_of_receivables
from tests.api.calls_taxes import call_taxes, conflicts_of_taxes
from tests.api.calls_topups import call_topups, conflicts_of_topups
from tests.api.document import example_of, faults, operation, operations
from tests.factories.alerts import make_endpoint
from tests.factories.billing import make_draft
from tests.factories.jobs import finish_jobs
from tests.factories.pricing import make_price
from tests.factories.refusals import make_refusal
from tests.factories.tenants import (
    make_key,
    make_member,
    make_project,
    make_tenant,
    make_token,
)
from tests.factories.usage import commit, make_epoch, make_use

# In the range that the examples rate anew.
USED = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)


@pytest.fixture
def call(operator: Client) -> Caller:
    """Provide a caller of operations."""
    return Caller(operator)


def call_tenants(call: Caller) -> int:
    """Create, read and change a tenant, its project and its key; return its id."""
    call("read_me")
    tenant: int = call("create_tenant")["id"]
    call("list_tenants", query="limit=1&state=active")
    call("retrieve_tenant", tenant)
    call("update_tenant", tenant)
    call("suspend_tenant", tenant)
    call("restore_tenant", tenant)
    project = call("create_project", tenant=tenant)["id"]
    call("list_projects", query=f"tenant={tenant}&archived=false")
    call("retrieve_project", project)
    call("update_project", project)
    key = call("create_key", project=project)["id"]
    call("list_keys", query="active=true")
    call("retrieve_key", key)
    call("update_key", key)
    call("disable_key", key)
    call("enable_key", key)
    call("rotate_key", key)
    call("revoke_key", key)
    call("archive_project", project)
    call("set_plan_tenant", tenant)
    call_people(call, tenant)
    return tenant


def call_people(call: Caller, tenant: int) -> None:
    """Invite somebody, and read, change and remove a member."""
    project = call("create_project", tenant=tenant, slug="people")["id"]
    invitation = call("create_invitation", tenant=tenant, projects=[project])["id"]
    call("list_invitations", query=f"tenant={tenant}&state=open")
    call("retrieve_invitation", invitation)
    # As if its mail had gone long ago.
    expired = database_now() - dt.timedelta(days=1)
    Invitation.objects.filter(pk=invitation).update(expires_at=expired)
    call("resend_invitation", invitation)
    call("revoke_invitation", invitation)
    member = make_member(tenant=Tenant.objects.get(pk=tenant), role="viewer").pk
    call("list_audit_entries", query=f"tenant={tenant}&object_kind=tenant")
    call("list_members", query=f"tenant={tenant}&removed=false")
    call("retrieve_member", member)
    call("update_member", member)
    call("remove_member", member)


def call_tokens(call: Caller, tenant: int) -> None:
    """Issue, read, change, rotate and revoke a token."""
    token = call("create_token", tenant=tenant)["id"]
    call("list_tokens", query="active=true&kind=service")
    call("retrieve_token", token)
    call("update_token", token)
    call("rotate_token", token)
    call("revoke_token", token)


def call_limits(call: Caller, tenant: int) -> None:
    """Make and read plans, set and end each kind of limit, and read what holds."""
    plan = call("create_plan", slug="pro")["id"]
    call("list_plans", query="is_default=false")
    for act in ("retrieve", "update", "make_default", "clear_default"):
        call(f"{act}_plan", plan)
    project = make_project(tenant=Tenant.objects.get(pk=tenant)).pk
    for kind, whom in (
        ("rate_limit", {"tenant": tenant}),
        ("quota", {"project": project}),
        ("budget", {"tenant": tenant}),
    ):
        row = call(f"create_{kind}", **dict[str, Any](whom))["id"]
        call(f"list_{kind}s", query="active=true")
        call(f"retrieve_{kind}", row)
        call(f"update_{kind}", row)
        assert call("read_effective_limits", query=f"project={project}")["limits"]
        standing = call("read_standing", query=f"project={project}")["limits"]
        assert bool(standing) is (kind != "rate_limit")
        call(f"end_{kind}", row)


def call_serving(call: Caller) -> None:
    """Create, read and change a model and its replica."""
    model = call("create_model")["id"]
    call("list_models", query="enabled=true")
    call("retrieve_model", model)
    call("update_model", model)
    alias = call("create_model_alias")["id"]
    call("list_model_aliases", query="enabled=true")
    for act in ("retrieve", "update", "disable", "enable"):
        call(f"{act}_model_alias", alias)
    replica = call("create_replica")["id"]
    call("list_replicas", query="state=active")
    call("retrieve_replica", replica)
    call("update_replica", replica)
    for act in ("drain_replica", "disable_replica", "activate_replica"):
        call(act, replica)
    call("retire_model", model, retires_at=soon())
    call("call_off_retirement_model", model)
    call("disable_model", model)
    call("enable_model", model)


def call_usage_and_invoices(call: Caller) -> None:
    """Read usage in every division, of one currency and of two, and an invoice."""
    now = database_now()
    for currency in ("USD", "EUR"):
        tenant = make_tenant(currency=currency)
        cover(tenant=tenant, earliest=now - dt.timedelta(days=1), latest=now)
        use = make_use(
            price=make_price(currency=currency), admitted_at=now, tenant=tenant
        )
        commit(make_epoch(started_at=now), use)
        for division in ("", "tenant,project,key,model,day", "hour,model", "minute"):
            call("read_usage", query=f"group_by={division}&tenant={tenant.slug}")
        (row,) = call("list_requests", query=f"tenant={tenant.slug}&status=ok")["data"]
        query = f"tenant={tenant.slug}"
        receipt = call("retrieve_request", row["request_id"], query=query)
        assert receipt["charges"][0]["adds_up"]
        make_refusal(make_key(tenant=tenant).row, now)
        assert call("list_refusals", query=f"{query}&status=429")["data"]
    assert call("read_usage")["total"]["charge"] is None
    invoice = make_draft()
    call("list_invoices", query="state=draft")
    assert call("retrieve_invoice", invoice.pk)["lines"]


def call_adjustments(call: Caller) -> None:
    """Preview and make an adjustment and a re-rating, and read both."""
    use = make_use(price=make_price(), admitted_at=USED)
    (event,) = commit(make_epoch(started_at=USED, state="closed"), use)
    named: Ids = {"tenant": use.tenant_id, "request_id": str(event.request_id)}
    assert call("preview_adjustment", **named)["after"]["output_tokens"] == 0
    row = call("create_adjustment", **named)["id"]
    call("list_adjustments", query=f"tenant={use.tenant_id}&kind=void")
    assert call("retrieve_adjustment", row)["net"]["charge_picos"] == "0"
    (used,) = PriceBook.objects.filter(versions__prices=use.price.id)
    ranged: Ids = {"price_book": used.pk, "model": use.price.model}
    assert len(call("preview_rerating", **ranged)["tenants"]) == 1
    row = call("create_rerating", **ranged)["id"]
    finish_jobs(now=database_now())
    call("list_reratings", query="state=done")
    assert call("retrieve_rerating", row)["progress"]
    call("list_adjustments", query="kind=rerate")


def conflicts_of_adjustments(client: Client) -> dict[str, Any]:
    """Void what is void already, and rate anew what is being rated or used."""
    use = make_use(price=make_price(), admitted_at=USED)
    (event,) = commit(make_epoch(started_at=USED, state="closed"), use)
    named: Ids = {"tenant": use.tenant_id, "request_id": str(event.request_id)}
    taken(client, "create_adjustment", **named)
    (used,) = PriceBook.objects.filter(versions__prices=use.price.id)
    ranged: Ids = {"price_book": used.pk, "model": use.price.model}
    taken(client, "create_rerating", **ranged)
    return {
        "create_adjustment": taken(
            client, "create_adjustment", **named, reference="another"
        ),
        "create_rerating": taken(
            client, "create_rerating", **ranged, reference="another"
        ),
        "preview_rerating": taken(client, "preview_rerating", **ranged, end=soon()),
    }


def call_reconciliation(call: Caller) -> None:
    """Read a run, its checks, its steps and what it found."""
    run = Run.objects.create(
        kind=Run.Kind.RECONCILE,
        started_at=database_now(),
        rows_seen=1,
        difference_count=1,
        checks=[{"name": "days_join", "rows": 1, "differences": 1}],
        steps=[example_of(_answer("retrieve_reconciliation_run"))["steps"][0]],
    )
    run.differences.create(
        check_name="days_join", subject="one", expected="1", found="2"
    )
    # What is found is written down before the run ends.
    run.state = Run.State.DIFFERS
    run.save()
    call("list_reconciliation_runs", query="kind=reconcile&state=differs")
    assert call("retrieve_reconciliation_run", run.pk)["checks"]
    assert call("list_differences", run.pk, query="check=days_join")["data"]
    # As a run would do that found the same.
    finding = Finding(1, 1, (Found(None, "one", "1", "2"),))
    update_cases(run, [(ALL["days_join"], finding)], now=database_now())
    (case,) = call("list_reconciliation_cases", query="state=open&owned=false")["data"]
    for act in ("retrieve", "take", "explain", "reopen"):
        call(f"{act}_reconciliation_case", case["id"])
    call("create_reconciliation_run")
    keep_proofs(run, count_epochs(Scope()))
    assert call("list_epoch_proofs", query="complete=true")["data"] is not None
    answer = EngineSilence("http://engine:1", (1,), database_now(), "away")
    reading.read_engines(now=database_now(), reader=lambda now: [answer])
    assert call("list_engine_processes", query="replica=1")["data"]


def call_webhooks(call: Caller, tenant: int) -> None:
    """Make, read, change, rotate, test, pause, resume and remove an endpoint."""
    row = call("create_webhook_endpoint", tenant=tenant)["id"]
    call("list_webhook_endpoints", query=f"tenant={tenant}&state=active")
    call("retrieve_webhook_endpoint", row)
    call("update_webhook_endpoint", row)
    assert call("rotate_webhook_endpoint", row)["secret"]
    call("test_webhook_endpoint", row)
    assert call("list_webhook_deliveries", row, query="state=waiting")["data"]
    for act in ("pause", "resume", "remove"):
        call(f"{act}_webhook_endpoint", row)


def refused_webhooks(operator: Client) -> dict[str, Any]:
    """Ask of an endpoint that was removed what one that is there would do."""
    row = make_endpoint().row
    taken(operator, "remove_webhook_endpoint", row.pk)
    acts = ("update", "rotate", "test", "pause", "resume", "remove")
    refused = {
        f"{act}_webhook_endpoint": taken(operator, f"{act}_webhook_endpoint", row.pk)
        for act in acts
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endpoints, "ENDPOINTS_MAX", 0)
        made = taken(operator, "create_webhook_endpoint", tenant=row.tenant_id)
    return {**refused, "create_webhook_endpoint": made}


def refused_cases(operator: Client) -> dict[str, Any]:
    """Explain what has resolved by itself."""
    now = database_now()
    row = Case.objects.create(
        check_name="days_join",
        subject="gone",
        state=Case.State.RESOLVED,
        first_seen_at=now,
        last_seen_at=now,
    )
    names = [f"{act}_reconciliation_case" for act in ("explain", "reopen")]
    return {name: taken(operator, name, row.pk) for name in names}


def _answer(name: str) -> dict[str, Any]:
    return dict(operation(name).responses())["200"]


def test_every_operation_answers_as_the_document_says(call: Caller) -> None:
    tenant = call_tenants(call)
    call_limits(call, tenant)
    call_credit(call, tenant)
    call_taxes(call, tenant)
    call_topups(call, tenant)
    call_collection(call, tenant)
    call_billing(call, tenant)
    call_addresses(call, tenant)
    call_receivables(call)
    call_tokens(call, tenant)
    call_serving(call)
    call_pricing(call, tenant)
    call_contracts(call, tenant)
    call_plans(call)
    call_usage_and_invoices(call)
    call_reconciliation(call)
    call_webhooks(call, tenant)
    call_adjustments(call)
    call_exports(call, tenant)
    call_documents(call)

    assert call.called == {each.id for each in operations()}


def refused_people(operator: Client) -> dict[str, Any]:
    """Ask for what an invitation that was taken, and a last owner, forbid."""
    owner = make_member()
    tenant, address = owner.tenant_id, "taken@example.com"
    invited = taken(
        operator, "create_invitation", tenant=tenant, email=address, projects=[]
    )
    row = invited.json()["id"]
    Invitation.objects.filter(pk=row).update(accepted_at=database_now())
    return {
        "create_invitation": taken(
            operator, "create_invitation", tenant=tenant, email=owner.email, projects=[]
        ),
        "resend_invitation": taken(operator, "resend_invitation", row),
        "revoke_invitation": taken(operator, "revoke_invitation", row),
        "update_member": taken(operator, "update_member", owner.pk),
        "remove_member": taken(operator, "remove_member", owner.pk),
    }


def conflicts_of_limits(client: Client, project: Project) -> dict[str, Any]:
    """Set each limit twice, and change it once it has ended."""
    taken(client, "create_plan")
    answers = {"create_plan": taken(client, "create_plan")}
    for kind in ("rate_limit", "quota", "budget"):
        whom = (
            {"project": project.pk}
            if kind == "quota"
            else {"tenant": project.tenant_id}
        )
        row = taken(client, f"create_{kind}", **whom).json()["id"]
        answers[f"create_{kind}"] = taken(client, f"create_{kind}", **whom)
        taken(client, f"end_{kind}", row)
        answers[f"update_{kind}"] = taken(client, f"update_{kind}", row)
    return answers


def conflicts_of_credit(client: Client, project: Project) -> dict[str, Any]:
    """Grant other credit under a reference, and take back more than there is."""
    taken(client, "create_credit_grant", tenant=project.tenant_id)
    again = taken(client, "create_credit_grant", tenant=project.tenant_id)
    row = again.json()["id"]
    other = {"tenant": project.tenant_id, "amount": "1.00"}
    return {
        "create_credit_grant": taken(client, "create_credit_grant", **other),
        "reverse_credit_grant": taken(
            client, "reverse_credit_grant", row, amount="100.01"
        ),
    }


def too_many_keys(operator: Client, project: Project) -> Any:
    """Ask for a key of a tenant that has as many as it may have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "KEYS_MAX", 0)
        return taken(
            operator, "create_key", tenant=project.tenant_id, project=project.pk
        )


def test_every_conflict_that_is_documented_occurs_and_no_other(
    operator: Client,
) -> None:
    project, key, token = make_project(), make_key().row, make_token().row
    taken(operator, "revoke_key", key.pk)
    taken(operator, "revoke_token", token.pk)
    for noun in ("tenant", "model", "replica", "model_alias"):
        assert taken(operator, f"create_{noun}").status_code == 201
    taken(operator, "create_project", tenant=project.tenant_id)
    book = taken(operator, "create_price_book").json()["id"]
    draft = taken(operator, "create_price_book_version", book, copy_from=None).json()
    version = (book, draft["number"])
    answers = {
        **conflicts_of_limits(operator, project),
        **conflicts_of_credit(operator, project),
        **conflicts_of_taxes(operator, project.tenant_id),
        **conflicts_of_topups(operator, project.tenant_id),
        **conflicts_of_addresses(operator, project.tenant_id),
        **conflicts_of_collection(operator, make_project().tenant_id),
        **conflicts_of_receivables(operator),
        **conflicts_of_plans(operator),
        **conflicts_of_adjustments(operator),
        **conflicts_of_assignments(operator, book),
        **conflicts_of_contracts(operator),
        "create_tenant": taken(operator, "create_tenant"),
        "create_project": taken(operator, "create_project", tenant=project.tenant_id),
        "create_key": too_many_keys(operator, project),
        **{
            name: taken(operator, name, key.pk)
            for name in ("update_key", "disable_key", "enable_key", "rotate_key")
        },
        **{
            name: taken(operator, name, token.pk)
            for name in ("update_token", "rotate_token")
        },
        **refused_people(operator),
        **refused_webhooks(operator),
        **refused_cases(operator),
        **refused_exports(operator, project.tenant_id),
        **refused_documents(operator),
        "create_model": taken(operator, "create_model"),
        "create_replica": taken(operator, "create_replica"),
        "create_model_alias": taken(operator, "create_model_alias"),
        "create_price_book": taken(operator, "create_price_book"),
        "publish_price_book_version": taken(
            operator, "publish_price_book_version", *version, drop=[]
        ),
    }
    taken(operator, "set_prices", *version)
    taken(operator, "update_price_book_version", *version, effective_at=soon())
    published = taken(operator, "publish_price_book_version", *version, drop=[])
    assert published.status_code == 200, published.content
    for name in ("update_price_book_version", "set_prices"):
        answers[name] = taken(operator, name, *version)

    documented = {each.id for each in operations() if "409" in dict(each.responses())}
    assert set(answers) == documented
    for name, answer in answers.items():
        assert answer.status_code == 409, (name, answer.content)
        schema = dict(operation(name).responses())["409"]["schema"]
        assert faults(answer.json(), schema) == []
