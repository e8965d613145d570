"""Two tenants with a row of everything, and the callers that may try to reach it.

Rows are made as the product makes them where that takes a service, and committed, so
that every role of the database sees them. Each text of a tenant's holds its canary.
"""

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client, override_settings

from kit import api_keys
from kit.contracts import TokenCounts
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from kit.scopes import EVERY, OPERATORS, TENANTS, Scope
from metering.adjustments.adjusting import Wanted, adjust_event
from metering.adjustments.previewing import Scope as Rated
from metering.adjustments.services import start_rerating
from metering.billing.issuing import issue_invoice
from metering.billing.models import Invoice
from metering.billing.parties import set_billing_profile
from metering.collection.buying.asking import ask_checkout
from metering.collection.buying.deciding import Kind, Outcome
from metering.collection.buying.ending import end_unpaid
from metering.collection.portal import ask_for_link
from metering.documents.services import make_documents
from metering.ledger.services import grant_credit
from metering.pricing.contracts import create_contract
from metering.pricing.corrective import Quote
from metering.pricing.models import PriceBook
from metering.pricing.selectors import last_published
from metering.pricing.services import draft_version
from metering.receivables.services import Wanted as Noted
from metering.receivables.services import issue_credit_note, record_payment
from metering.reconciliation.models import Case, Run
from metering.subscriptions.selectors import plan_version
from metering.subscriptions.services import subscribe
from metering.taxes.services import create_rate, treat_tenant
from metering.topups.services import ask_top_up, cancel_top_up, set_rule
from metering.usage.corrections import Request
from tenants.models import (
    BillingAddress,
    Budget,
    Invitation,
    Level,
    ManagementToken,
    Member,
    Plan,
    Project,
    ProjectMember,
    Quota,
    RateLimit,
    Role,
    SetBy,
    Tenant,
    Window,
)
from tenants.roles import scopes_of
from tests.factories.alerts import make_endpoint
from tests.factories.billing import CLOSED, STARTED, make_draft, make_tenant_of
from tests.factories.control import make_alias, make_model, make_replica
from tests.factories.exports import make_export
from tests.factories.jobs import finish_jobs
from tests.factories.pricing import make_assignment, make_book, make_price
from tests.factories.receivables import make_invoice
from tests.factories.subscriptions import make_draft_version, make_plan_version
from tests.factories.tenants import default_project, make_key, make_project
from tests.factories.usage import commit, make_epoch, make_use
from tests.isolation.snapshots import checksum

_numbers = itertools.count(1)
MODEL = "guarded-model"
MANAGERS = frozenset({Role.OWNER, Role.ADMIN})
A_MOMENT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
A_YEAR = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls: what it holds, and whom it belongs to."""

    name: str
    token: str | None
    scopes: frozenset[Scope] = frozenset()
    # None for strangers and operators.
    side: str | None = None
    is_operator: bool = False
    # Whether it reaches the open project.
    in_project: bool = True
    # Whether it sees the tokens of programs, beside its own.
    manages: bool = True
    # The scope whose operations alone it tries; None tries them all.
    tries: Scope | None = None

    @property
    def holds_everything(self) -> bool:
        """Tell whether no rule beyond scopes may refuse it."""
        return self.scopes in (EVERY, TENANTS)

    def client(self) -> Client:
        """Return a client that sends the token."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return Client(headers=headers, raise_request_exception=False)


@dataclass(slots=True)
class Side:
    """One tenant and the ids of its rows, by what they are."""

    name: str
    canary: str
    tenant: Tenant
    project: Project
    # That no developer is in.
    closed_project: Project
    ids: dict[str, int] = field(default_factory=dict)
    # A request that nothing was set right of.
    request_id: str = ""
    members: dict[Role, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class World:
    """Both tenants, what belongs to the installation, and all callers."""

    sides: Mapping[str, Side]
    shared: Mapping[str, int]
    callers: tuple[Caller, ...]
    # Of the second tenant's rows, before anybody tries anything.
    untouched: str


def make_world() -> World:
    """Make both tenants, what belongs to the installation, and the callers."""
    model = make_model(name=MODEL)
    book = make_book()
    make_price(model=model.name, book=book)
    with as_operator(), atomic():
        draft = draft_version(
            book=book,
            effective_at=A_MOMENT + A_YEAR,
            copy_from=last_published(book=book),
        )
    shared = {
        "model": model.pk,
        "replica": make_replica(model=model).pk,
        "model_alias": make_alias(model=model).pk,
        "price_book": book.pk,
        "line": 1,
        # A draft: what is published cannot be changed by anybody.
        "version": draft.number,
    }
    with as_operator(), atomic():
        shared["run"] = Run.objects.create(
            kind=Run.Kind.RECONCILE, started_at=A_MOMENT
        ).pk
        shared["rerating"] = rerated(book)
        shared["case"] = Case.objects.create(
            check_name="days_join",
            subject="one",
            expected="1",
            found="2",
            first_seen_at=A_MOMENT,
            last_seen_at=A_MOMENT,
        ).pk
        shared["plan"] = Plan.objects.create(
            slug="plan", name="Plan", is_default=True
        ).pk
        shared["tax_rate"] = create_rate(
            name="VAT", country="DE", percent=Decimal(19), starts_at=A_MOMENT
        ).pk
    shared |= {
        "plan_version": make_draft_version(currency="USD").pk,
        "held_version": make_plan_version().pk,
        "other_version": make_plan_version().pk,
    }
    sides = {name: make_side(name, shared["held_version"]) for name in ("a", "b")}
    for side in sides.values():
        price(side, book)
    with as_operator(), atomic():
        make_documents(now=CLOSED)
        callers = (*callers_without_tenant(), *callers_of(sides["a"]))
    with atomic():
        untouched = checksum(sides["b"].tenant.pk)
    return World(sides, shared, callers, untouched)


def make_side(name: str, held_version: int) -> Side:
    """Make a tenant with a row of everything."""
    canary = f"canary-{name}-{next(_numbers)}"
    tenant = make_tenant_of(
        slug=canary, name=f"{canary} Ltd", billing_email=f"{canary}@bills.example"
    )
    project = default_project(tenant)
    closed = make_project(tenant=tenant, slug=f"{canary}-closed", name=canary)
    side = Side(name, canary, tenant, project, closed)
    side.ids |= {
        "tenant": tenant.pk,
        "project": project.pk,
        "closed_project": closed.pk,
        "key": make_key(project=project, name=f"{canary} key").row.pk,
        "closed_key": make_key(project=closed, name=f"{canary} closed").row.pk,
        "invoice": issued(tenant).pk,
    }
    with as_operator(), atomic():
        for role in Role:
            side.members[role] = make_member(side, role)
        side.ids["member"] = side.members[Role.VIEWER].pk
        side.ids["invitation"] = Invitation.objects.create(
            tenant=tenant,
            email=f"{canary}@invited.example",
            role=Role.VIEWER,
            digest=_digest(),
            # Sent two days ago, so that it may be sent again.
            expires_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=5),
        ).pk
        side.ids["webhook_endpoint"] = make_endpoint(
            tenant=tenant, name=f"{canary} endpoint"
        ).row.pk
        side.ids["token"] = make_token(side, TENANTS, name=f"{canary} token")[0].pk
        side.ids |= _limits(side)
        side.ids["export"] = make_export(tenant=tenant).pk
        side.request_id, side.ids["adjustment"] = adjusted(side)
        side.ids["credit_grant"] = grant_credit(
            tenant=tenant,
            now=dt.datetime.now(dt.UTC),
            source="top_up",
            amount_picos=10**15,
            reference=f"{canary} payment",
        ).pk
        side.ids |= _received(side)
        now = dt.datetime.now(dt.UTC)
        side.ids["subscription"] = subscribe(
            tenant=tenant,
            version=plan_version(held_version),
            now=now,
            ends_on=(now + A_YEAR / 4).date(),
        ).pk
        side.ids["top_up_rule"] = set_rule(
            tenant=tenant, threshold_picos=1, amount_minor=1, period_max_minor=1
        ).pk
        # Given up, so that another may be asked for.
        asked = ask_top_up(tenant=tenant, amount_minor=100, now=A_MOMENT)
        side.ids["top_up"] = cancel_top_up(top_up=asked, now=A_MOMENT).pk
        side.ids |= _collected(tenant)
        side.ids |= _billed(side)
        side.ids["tax_treatment"] = treat_tenant(
            tenant=tenant, now=A_MOMENT, kind="exempt", note=canary
        ).pk
    return side


def _billed(side: Side) -> dict[str, int]:
    """Say who a side is on its bills, and name an address for them."""
    profile = set_billing_profile(tenant=side.tenant, legal_name=f"{side.canary} Ltd")
    address = BillingAddress.objects.create(
        tenant=side.tenant,
        email=f"{side.canary}@books.example",
        # Asked two days ago, so that it may be asked again.
        asked_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=2),
    )
    return {"billing_profile": profile.tenant_id, "billing_address": address.pk}


def _collected(tenant: Tenant) -> dict[str, int]:
    """Ask for a link to the provider's page, and for one to pay on."""
    with override_settings(BILLING_PROVIDER="stripe"):
        link = ask_for_link(tenant=tenant, now=A_MOMENT)
        checkout = ask_checkout(tenant=tenant, amount_minor=100, now=A_MOMENT)
    # Given up, so that another may be asked for.
    end_unpaid(purchase=checkout, outcome=Outcome(Kind.CANCELLED), now=A_MOMENT)
    return {"portal_link": link.pk, "checkout": checkout.pk}


def price(side: Side, book: PriceBook) -> None:
    """Let a side pay by a book, and draft a contract with it."""
    assigned = make_assignment(tenant=side.tenant, book=book)
    side.ids["price_book_assignment"] = assigned.pk
    with as_operator(), atomic():
        side.ids["contract"] = create_contract(
            tenant=side.tenant,
            name=side.canary,
            base=book,
            starts_at=A_MOMENT + A_YEAR,
        ).pk


def _received(side: Side) -> dict[str, int]:
    """Record a payment of an invoice, and credit a part of it."""
    invoice = make_invoice(tenant=side.tenant)
    payment = record_payment(
        invoice=invoice,
        amount_minor=100,
        reference=f"{side.canary} transfer",
        received_at=CLOSED,
        now=CLOSED,
    )
    wanted = Noted(side.canary, side.canary, {1: 100})
    note = issue_credit_note(invoice=invoice, wanted=wanted, now=CLOSED)
    return {"payment": payment.pk, "credit_note": note.pk}


def issued(tenant: Tenant) -> Invoice:
    """Issue an invoice: tenants see no drafts."""
    # Of enough use to ask for something.
    counts = TokenCounts(input_tokens=5_000_000)
    draft = make_draft(tenant=tenant, counts=counts)
    with as_operator():
        return issue_invoice(invoice=draft, now=CLOSED)


def adjusted(side: Side) -> tuple[str, int]:
    """Commit two requests of the open project, and void the second."""
    use = replace(
        make_use(price=make_price(), admitted_at=STARTED, tenant=side.tenant),
        project_id=side.project.pk,
        api_key_id=side.ids["key"],
    )
    first, second = commit(make_epoch(started_at=STARTED, state="closed"), use, use)
    row = adjust_event(
        wanted=Wanted(Request(second.tenant_id, second.request_id)),
        reason=side.canary,
        reference=side.canary,
    )
    return str(first.request_id), row.pk


def rerated(book: PriceBook) -> int:
    """Rate use of a book anew that has none."""
    row = start_rerating(
        scope=Rated(book, MODEL, STARTED, CLOSED),
        quote=Quote("1", "1", "1"),
        reason="a mistake",
        reference="rerated",
        now=A_MOMENT,
    )
    finish_jobs(now=A_MOMENT)
    return row.pk


def make_member(side: Side, role: Role) -> Member:
    """Make a member, in the open project where the role is kept to projects."""
    number = next(_numbers)
    email = f"{side.canary}-{number}@members.example"
    user = get_user_model().objects.create_user(f"{side.canary}-{number}", email)
    member = Member.objects.create(
        tenant=side.tenant, user=user, email=email, name=side.canary, role=role
    )
    ProjectMember.objects.create(
        tenant=side.tenant, project=side.project, member=member
    )
    return member


def make_token(
    side: Side | None,
    scopes: frozenset[Scope],
    *,
    name: str = "token",
    member: Member | None = None,
) -> tuple[ManagementToken, str]:
    """Make a management token; without a side, an operator's."""
    prefix = api_keys.TENANT_TOKEN_PREFIX if side else api_keys.OPERATOR_TOKEN_PREFIX
    text = api_keys.generate(prefix)
    row = ManagementToken.objects.create(
        tenant=side.tenant if side else None,
        member=member,
        name=name,
        digest=api_keys.digest(text, settings.MANAGEMENT_TOKEN_SECRET),
        shown=api_keys.shown(text),
        scopes=sorted(scopes),
    )
    return row, text


def callers_of(side: Side) -> list[Caller]:
    """Return the callers of one tenant: its roles, and two programs per scope.

    To one of them its operations must open, to the other, which holds all the rest,
    they must not: a scope that opened another one's operation would be seen there.
    """
    found = []
    for role, member in side.members.items():
        _, text = make_token(side, TENANTS, member=member)
        found.append(
            Caller(
                f"{side.name} {role}",
                text,
                scopes_of(role),
                side.name,
                manages=role in MANAGERS,
            )
        )
    homeless = make_member(side, Role.DEVELOPER)
    ProjectMember.objects.filter(member=homeless).delete()
    _, text = make_token(side, TENANTS, member=homeless)
    found.append(
        Caller(
            f"{side.name} developer of nothing",
            text,
            scopes_of(Role.DEVELOPER),
            side.name,
            in_project=False,
            manages=False,
        )
    )
    for scope in sorted(TENANTS):
        alone = frozenset({scope})
        for name, held in (("only", alone), ("all but", TENANTS - alone)):
            _, text = make_token(side, held)
            found.append(
                Caller(
                    f"{side.name} {name} {scope}", text, held, side.name, tries=scope
                )
            )
    return found


def callers_without_tenant() -> list[Caller]:
    """Return strangers and operators."""
    reading = frozenset(s for s in EVERY if s.endswith(":read"))
    found = [
        Caller("anonymous", None),
        Caller("wrong token", "tgt_" + "x" * 49),
        Caller("root", settings.OPERATOR_TOKEN, EVERY, is_operator=True),
    ]
    for name, scopes in (("operator", EVERY), ("reading operator", reading)):
        _, text = make_token(None, scopes)
        found.append(Caller(name, text, scopes, is_operator=True))
    _, text = make_token(None, EVERY - OPERATORS)
    found.append(
        Caller("operator of tenants", text, EVERY - OPERATORS, is_operator=True)
    )
    return found


def _limits(side: Side) -> dict[str, int]:
    holder = {
        "tenant": side.tenant,
        "level": Level.TENANT,
        "set_by": SetBy.TENANT,
        "model": MODEL,
    }
    rate = RateLimit.objects.create(
        unit=RateLimit.Unit.REQUESTS, window=RateLimit.Window.MINUTE, value=60, **holder
    )
    quota = Quota.objects.create(window=Window.DAY, value=1000, **holder)
    budget = Budget.objects.create(
        window=Window.MONTH, amount_picos=10**12, currency="USD", **holder
    )
    return {"rate_limit": rate.pk, "quota": quota.pk, "budget": budget.pk}


def _digest() -> str:
    return api_keys.digest(api_keys.generate(), settings.INVITATION_SECRET)
